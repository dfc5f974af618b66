"""Server reflection under both of its names: v1 as tools ask for now, and v1alpha as older ones do.

The installed library serves v1alpha only. The two differ in nothing but the package, so one servicer answers both, from
a pool of its own that holds what is served and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha.reflection import aio as reflection_aio

_ALPHA = pb.DESCRIPTOR.services_by_name["ServerReflection"].full_name
_V1 = _ALPHA.replace("v1alpha", "v1")
NAMES = (_V1, _ALPHA)


def register(server: aio.Server, services: Iterable[str]) -> None:
    """Serve reflection of the named services, and of reflection itself."""
    named = (*services, *NAMES)
    servicer: Any = reflection_aio.ReflectionServicer(named, pool=_pool(named))
    call = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        pb.ServerReflectionRequest.FromString,
        pb.ServerReflectionResponse.SerializeToString,
    )
    handlers = [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": call}) for name in NAMES]
    server.add_generic_rpc_handlers(tuple(handlers))


def _pool(services: Iterable[str]) -> DescriptorPool:
    """Give a pool with the files of the services, and with the v1 file, which is made from the older one."""
    pool, known = DescriptorPool(), descriptor_pool.Default()
    held: set[str] = set()
    for name in services:
        if name != _V1:
            _copy(known.FindFileContainingSymbol(name), pool, held)
    alpha = text_format.MessageToString(_proto(pb.DESCRIPTOR))
    v1 = text_format.Parse(alpha.replace("v1alpha", "v1"), FileDescriptorProto())
    v1.name = "grpc/reflection/v1/reflection.proto"
    pool.AddSerializedFile(v1.SerializeToString())
    return pool


# Any: the type that the library's stubs name is not the one that its C part returns.
def _copy(file: Any, pool: DescriptorPool, held: set[str]) -> None:
    if file.name in held:
        return
    held.add(file.name)
    for needed in file.dependencies:
        _copy(needed, pool, held)
    pool.AddSerializedFile(_proto(file).SerializeToString())


def _proto(file: Any) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    return proto
