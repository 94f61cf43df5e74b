"""All settings of a node, broker or controller, by name.

NODE, STORAGE ... hold them by subject. RATES can only be set dynamically; a properties file does not take them.
"""

from server.model.settings.groups import GROUPS
from server.model.settings.kinds import Table, table
from server.model.settings.node import NODE
from server.model.settings.ours import OURS
from server.model.settings.replicas import RATES, REPLICAS
from server.model.settings.security import SECURITY
from server.model.settings.storage import STORAGE
from server.model.settings.tiering import TIERING

BROKER: Table = table(*(part.values() for part in (NODE, STORAGE, REPLICAS, GROUPS, TIERING, SECURITY, OURS)))
DYNAMIC: Table = table(BROKER.values(), RATES.values())
