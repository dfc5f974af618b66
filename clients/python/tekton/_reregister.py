"""Registering again from the heart's thread, without making it wait."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from tekton._channel import Target
from tekton._errors import from_rpc, unreachable
from tekton._lease import KeptLease
from tekton.core.errors import (
    ConflictError,
    RateLimitedError,
    StaleSessionError,
    TektonError,
    TektonTimeoutError,
    UnavailableError,
)
from tekton.core.ids import new_uuid
from tekton.v1.registry_service_pb2 import RegisterComponentResponse
from tekton.v1.registry_service_pb2_grpc import RegistryServiceStub

_TIMEOUT = 10.0
# What may pass, so that it is worth asking again.
_PASSING = (UnavailableError, TektonTimeoutError, RateLimitedError, ConflictError, StaleSessionError)


class Reregistration:
    """One try to register a lost instance anew. `tell` is called on a thread of gRPC once it is over."""

    def __init__(
        self, channel: grpc.Channel, target: Target, lease: KeptLease, tell: Callable[[Reregistration], None]
    ) -> None:
        self.request = lease.again()
        # The same uuid again while nobody answered: the try before may have been recorded.
        self.request.instance_uuid = lease.next_uuid or new_uuid()
        self.answer: RegisterComponentResponse | None = None
        self.error: TektonError | None = None
        self._target = target
        self._lease = lease
        self._tell = tell
        lease.next_uuid = self.request.instance_uuid
        call = RegistryServiceStub(channel).RegisterComponent.future(self.request, timeout=_TIMEOUT)
        call.add_done_callback(self._done)

    @property
    def final(self) -> bool:
        """Whether it was refused and asking again would not help."""
        return self.error is not None and not isinstance(self.error, _PASSING) and self.error.grpc_status != "INTERNAL"

    def _done(self, call: grpc.Future[RegisterComponentResponse]) -> None:
        try:
            self.answer = call.result()
        except grpc.FutureCancelledError:
            self.error = unreachable(self._target, "the channel was closed")
        except grpc.RpcError as failure:
            self.error = from_rpc(failure, self._target)
        finally:
            # Whatever happened: a lease that waits for ever for its answer is never registered again.
            if self.answer is not None or isinstance(self.error, StaleSessionError):
                self._lease.next_uuid = ""
            self._tell(self)
