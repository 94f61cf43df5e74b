"""KRaft consensus as a step core (KIP-595, 630, 853, 996)."""
