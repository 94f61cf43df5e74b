"""The producer id that idempotence needs: asked for of any broker, again and again until one gives it.

Source: KIP-98 (InitProducerId without a transactional id).
"""

from kcli.errors import Refused
from kcli.pipeline import messages
from kcli.pipeline.network import Network
from kcli.pipeline.settings import ProducerSettings
from kcli.pipeline.wire import INIT_PRODUCER_ID, Reader

COORDINATOR_ERRORS = frozenset({7, 13, 14, 15, 16, 51})  # another broker, or a later moment, may give a producer id


class Identity:
    """`told` is the newest id; None: not known yet. `next_ms`: not asked for before this moment."""

    def __init__(self, network: Network, settings: ProducerSettings) -> None:
        self._network, self._settings = network, settings
        self.told: messages.ProducerId | None = None
        self.next_ms = 0.0
        self._asking = False

    def ask(self) -> None:
        """Ask, unless that is under way. The answer may raise Refused."""
        now = self._network.now_ms()
        link = self._network.any_link()
        if self._asking or link is None or now < self.next_ms:
            return
        self._asking, self.next_ms = True, now + self._settings.retry_backoff_ms
        version = link.version(INIT_PRODUCER_ID)

        def answered(answer: Reader | None) -> None:
            self._asking = False
            if answer is None:
                return
            told = messages.read_init_producer_id(answer)
            if told.error == 0:
                self.told = told
            elif told.error not in COORDINATOR_ERRORS:
                raise Refused(told.error)

        body = messages.init_producer_id_request(version)
        link.request(INIT_PRODUCER_ID, version, [body], now + self._settings.request_timeout_ms, answered)
