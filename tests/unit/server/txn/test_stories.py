"""What becomes of transactional ids, told line by line (see story.py)."""

from server.txn.ledger import Settings
from tests.unit.server.txn.story import Story


def tell(text: str, *, level: int = 2, settings: Settings | None = None) -> None:
    Story(level, settings).tell(text)


def test_a_transaction_is_committed() -> None:
    """KIP-98: the outcome stands with Prepare; Complete only says that the markers are written."""
    tell("""
        init t                      -> 1000/0
        t                           -> Empty 1000/0
        add t 1000/0 a-0            -> ok
        add t 1000/0 b-1 a-0        -> ok
        t                           -> Ongoing 1000/0 a-0 b-1
        commit t 1000/0             -> ok; markers COMMIT 1000/0 for a-0 b-1
        t                           -> PrepareCommit 1000/0 a-0 b-1
        commit t 1000/0             -> CONCURRENT_TRANSACTIONS
        abort t 1000/0              -> INVALID_TXN_STATE
        add t 1000/0 a-0            -> CONCURRENT_TRANSACTIONS
        init t                      -> CONCURRENT_TRANSACTIONS
        complete t                  -> ok
        t                           -> CompleteCommit 1000/0
        commit t 1000/0             -> ok
        abort t 1000/0              -> INVALID_TXN_STATE
        complete t                  -> ok
        add t 1000/0 c-2            -> ok
        t                           -> Ongoing 1000/0 c-2
        abort t 1000/0              -> ok; markers ABORT 1000/0 for c-2
        complete t                  -> ok
        t                           -> CompleteAbort 1000/0
        abort t 1000/0              -> ok
        commit t 1000/0             -> INVALID_TXN_STATE
    """)


def test_a_transaction_of_v2_takes_a_new_epoch_at_its_end() -> None:
    """KIP-890."""
    tell("""
        init t                      -> 1000/0
        add2 t 1000/0 a-0           -> ok
        commit2 t 1000/0            -> 1000/1; markers COMMIT 1000/1 for a-0
        commit2 t 1000/0            -> CONCURRENT_TRANSACTIONS
        commit2 t 1000/1            -> PRODUCER_FENCED
        add2 t 1000/1 a-0           -> CONCURRENT_TRANSACTIONS
        add2 t 1000/0 a-0           -> PRODUCER_FENCED
        complete t                  -> ok
        t                           -> CompleteCommit 1000/1
        commit2 t 1000/0            -> 1000/1
        abort2 t 1000/0             -> INVALID_TXN_STATE
        commit2 t 1000/1            -> INVALID_TXN_STATE
        add2 t 1000/1 a-1           -> ok
        abort2 t 1000/1             -> 1000/2; markers ABORT 1000/2 for a-1
        complete t                  -> ok
        abort2 t 1000/1             -> 1000/2
        commit2 t 1000/1            -> INVALID_TXN_STATE
    """)


def test_v2_aborts_what_has_not_begun() -> None:
    """KIP-890: the coordinator may not have heard of what the producer tried."""
    tell("""
        init t                      -> 1000/0
        commit2 t 1000/0            -> INVALID_TXN_STATE
        abort2 t 1000/0             -> 1000/1; markers ABORT 1000/1 for nothing
        complete t                  -> ok
        abort2 t 1000/1             -> 1000/2; markers ABORT 1000/2 for nothing
        complete t                  -> ok
        t                           -> CompleteAbort 1000/2
    """)


def test_v1_ends_nothing_that_has_not_begun() -> None:
    tell("""
        init t                      -> 1000/0
        commit t 1000/0             -> INVALID_TXN_STATE
        abort t 1000/0              -> INVALID_TXN_STATE
    """)


def test_a_new_producer_shuts_out_the_old_one() -> None:
    tell("""
        init t                      -> 1000/0
        init t                      -> 1000/1
        add t 1000/0 a-0            -> PRODUCER_FENCED
        commit t 1000/0             -> PRODUCER_FENCED
        verify t 1000/0 a-0         -> PRODUCER_FENCED
        add t 1000/1 a-0            -> ok
    """)


def test_a_new_producer_has_an_open_transaction_aborted_first() -> None:
    """KIP-98; as Apache Kafka 4.3.1 shows it: one epoch to shut out, one for the new producer."""
    tell("""
        init t                      -> 1000/0
        add t 1000/0 a-0            -> ok
        init t                      -> CONCURRENT_TRANSACTIONS; markers ABORT 1000/1 for a-0
        init t                      -> CONCURRENT_TRANSACTIONS
        complete t                  -> ok
        init t                      -> 1000/2
        commit t 1000/0             -> PRODUCER_FENCED
    """)


def test_unknown_ids_and_producers() -> None:
    tell("""
        add t 1000/0 a-0            -> INVALID_PRODUCER_ID_MAPPING
        commit t 1000/0             -> INVALID_PRODUCER_ID_MAPPING
        verify t 1000/0 a-0         -> INVALID_PRODUCER_ID_MAPPING
        init t                      -> 1000/0
        add t 7/0 a-0               -> INVALID_PRODUCER_ID_MAPPING
        commit2 t 7/0               -> INVALID_PRODUCER_ID_MAPPING
    """)


def test_timeouts_have_bounds() -> None:
    tell("""
        init t timeout 0            -> INVALID_TRANSACTION_TIMEOUT
        init t timeout 900001       -> INVALID_TRANSACTION_TIMEOUT
        init t timeout 900000       -> 1000/0
    """)


def test_a_producer_goes_on_after_an_error() -> None:
    """KIP-360: it names what it has, and a repeated request changes nothing."""
    tell("""
        init t                      -> 1000/0
        init t after 1000/0         -> 1000/1
        init t after 1000/0         -> 1000/1
        init t after 1000/1         -> 1000/2
        init t after 1000/0         -> PRODUCER_FENCED
        init t after 7/2            -> PRODUCER_FENCED
        init t                      -> 1000/3
        init t after 1000/2         -> PRODUCER_FENCED
        failover                    -> ok
        init t after 1000/3         -> 1000/4
        failover                    -> ok
        init t after 1000/3         -> PRODUCER_FENCED
    """)


def test_a_producer_that_names_what_it_has_is_taken_for_a_new_id() -> None:
    """Its id was forgotten meanwhile."""
    tell("""
        init t after 7/3            -> 1000/0
    """)


def test_the_last_epoch_is_followed_by_a_new_producer_id() -> None:
    """KIP-360: the highest epoch is kept for shutting a producer out."""
    tell("""
        init t                      -> 1000/0
        epoch t 32765               -> ok
        init t after 1000/32765     -> 1000/32766
        init t after 1000/32766     -> 1001/0
        init t after 1000/32766     -> 1001/0
        init t                      -> 1001/1
        init t after 1000/32766     -> PRODUCER_FENCED
    """)


def test_v2_takes_a_new_producer_id_at_the_end_of_a_transaction() -> None:
    """KIP-890: the marker has the highest epoch, which no client gets."""
    tell("""
        init t                      -> 1000/0
        epoch t 32766               -> ok
        add2 t 1000/32766 a-0       -> ok
        commit2 t 1000/32766        -> 1001/0; markers COMMIT 1000/32767 for a-0
        failover                    -> ok; markers COMMIT 1000/32767 for a-0
        complete t                  -> ok
        t                           -> CompleteCommit 1001/0
        commit2 t 1000/32766        -> 1001/0
        add2 t 1001/0 a-0           -> ok
    """)


def test_who_is_shut_out_at_the_last_epoch_gives_way_to_a_new_producer_id() -> None:
    tell("""
        init t                      -> 1000/0
        epoch t 32766               -> ok
        add2 t 1000/32766 a-0       -> ok
        init t                      -> CONCURRENT_TRANSACTIONS; markers ABORT 1000/32767 for a-0
        complete t                  -> ok
        init t                      -> 1001/0
    """)


def test_an_overdue_transaction_is_aborted() -> None:
    tell("""
        init t timeout 1000         -> 1000/0
        init u timeout 5000         -> 1001/0
        wait 3000                   ->
        add2 t 1000/0 a-0           -> ok
        add2 u 1001/0 a-0           -> ok
        wait 1000                   ->
        fire overdue                -> ok
        wait 1                      ->
        fire overdue                -> ok; markers ABORT 1000/1 for a-0
        add2 t 1000/0 a-1           -> PRODUCER_FENCED
        complete t                  -> ok
        abort2 t 1000/0             -> 1000/1
        t                           -> CompleteAbort 1000/1
        u                           -> Ongoing 1001/0 a-0
    """)


def test_later_partitions_do_not_make_a_transaction_younger() -> None:
    tell("""
        init t timeout 1000         -> 1000/0
        add t 1000/0 a-0            -> ok
        wait 900                    ->
        add t 1000/0 a-1            -> ok
        wait 101                    ->
        fire overdue                -> ok; markers ABORT 1000/1 for a-0 a-1
    """)


def test_an_unused_id_is_forgotten() -> None:
    tell(
        """
        init t                      -> 1000/0
        init u                      -> 1001/0
        add u 1001/0 a-0            -> ok
        wait 99                     ->
        fire expired                -> ok
        t                           -> Empty 1000/0
        wait 1                      ->
        fire expired                -> ok
        t                           -> unknown
        u                           -> Ongoing 1001/0 a-0
        failover                    -> ok
        t                           -> unknown
        init t                      -> 1002/0
    """,
        settings=Settings(expiration_ms=100),
    )


def test_a_prepared_transaction_survives_a_failover() -> None:
    tell("""
        init t                      -> 1000/0
        add t 1000/0 a-0 b-3        -> ok
        failover                    -> ok
        t                           -> Ongoing 1000/0 a-0 b-3
        commit t 1000/0             -> ok; markers COMMIT 1000/0 for a-0 b-3
        failover                    -> ok; markers COMMIT 1000/0 for a-0 b-3
        complete t                  -> ok
        failover                    -> ok
        t                           -> CompleteCommit 1000/0
    """)


def test_a_late_completion_changes_nothing() -> None:
    """It was sent for a transaction that another one has followed."""
    story = Story()
    story.tell("""
        init t                      -> 1000/0
        add2 t 1000/0 a-0           -> ok
        commit2 t 1000/0            -> 1000/1; markers COMMIT 1000/1 for a-0
    """)
    first = story.sent["t"]
    story.tell("""
        complete t                  -> ok
        add2 t 1000/1 a-0           -> ok
        abort2 t 1000/1             -> 1000/2; markers ABORT 1000/2 for a-0
    """)
    story.sent["t"] = first
    story.tell("""
        complete t                  -> ok
        t                           -> PrepareAbort 1000/2 a-0
    """)


def test_who_asks_whether_a_partition_has_joined() -> None:
    """KIP-890, for clients of v1."""
    tell("""
        init t                      -> 1000/0
        verify t 1000/0 a-0         -> TRANSACTION_ABORTABLE
        add t 1000/0 a-0            -> ok
        verify t 1000/0 a-0 a-1     -> NONE TRANSACTION_ABORTABLE
        verify t 1001/0 a-0         -> INVALID_PRODUCER_ID_MAPPING
        commit t 1000/0             -> ok; markers COMMIT 1000/0 for a-0
        verify t 1000/0 a-0         -> CONCURRENT_TRANSACTIONS
        complete t                  -> ok
        verify t 1000/0 a-0         -> TRANSACTION_ABORTABLE
    """)


def test_below_level_2_a_server_shuts_out_as_clients_of_v1_expect() -> None:
    tell(
        """
        init t                      -> 1000/0
        add t 1000/0 a-0            -> ok
        init t                      -> CONCURRENT_TRANSACTIONS; markers ABORT 1000/1 for a-0
        complete t                  -> ok
        init t after 1000/0         -> PRODUCER_FENCED
        init t                      -> 1000/2
    """,
        level=0,
    )
