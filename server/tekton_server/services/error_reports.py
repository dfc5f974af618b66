"""ErrorReportService: errors that components have met, taken and shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from tekton.core.errors import ValidationError
from tekton.v1 import error_report_service_pb2 as pb
from tekton.v1 import error_report_service_pb2_grpc as error_grpc
from tekton_server.domain import limits
from tekton_server.domain.error_reports import ErrorReport
from tekton_server.services import convert, paging, read, reply
from tekton_server.services.base import Context, Servicer
from tekton_server.storage.error_reports import END, KeptReport

_TOKEN = re.compile(r"\d{1,18}", re.ASCII)
_USUAL = 20


class ErrorReportServicer(Servicer, error_grpc.ErrorReportServiceServicer):
    """See proto/tekton/v1/error_report_service.proto."""

    async def ReportError(self, request: pb.ReportErrorRequest, context: Context) -> pb.ReportErrorResponse:
        """Take a report."""
        report = ErrorReport(
            component_id=request.component_id,
            instance_uuid=read.instance_uuid(request.instance_uuid),
            error_type=request.error_type,
            message=request.message,
            code=request.code,
            at=_time(request.timestamp) if request.HasField("timestamp") else None,
            stack_trace=request.stack_trace,
            context=read.struct("context", request.context),
        )
        kept = await self.live.error_reports.take(report, read.fencing_token(request.fencing_token))
        reply.http_status(201)
        return pb.ReportErrorResponse(success=True, message="Error report received", report_id=str(kept))

    async def ListErrorReports(
        self, request: pb.ListErrorReportsRequest, context: Context
    ) -> pb.ListErrorReportsResponse:
        """Show what a component has reported."""
        most, before = paging.size(request.page_size, limits.ERROR_PAGE) or _USUAL, _before(request.page_token)
        component = await self.component(request.component_id)
        found = await self.live.error_reports.store.list(component.definition.component_id, before, most + 1)
        message, size = pb.ListErrorReportsResponse(), 0
        for kept in found[:most]:
            shown = error_report(kept)
            size += shown.ByteSize()
            if message.errors and size > limits.PAGE_BYTES:
                break
            message.errors.append(shown)
        if len(message.errors) < len(found):
            message.next_page_token = message.errors[-1].report_id
        return message


def error_report(kept: KeptReport) -> pb.ErrorReport:
    """Convert a report."""
    report = kept.report
    return pb.ErrorReport(
        report_id=str(kept.id),
        component_id=report.component_id,
        instance_uuid=report.instance_uuid,
        error_type=report.error_type,
        message=report.message,
        code=report.code,
        timestamp=convert.timestamp(report.at),
        stack_trace=report.stack_trace,
        context=convert.struct(report.context),
        reported_at=convert.timestamp(kept.reported_at),
    )


def _time(message: Timestamp) -> datetime:
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValidationError.of("timestamp", "must be a time from the year 1 to 9999", "range") from None


def _before(token: str) -> int:
    if token and not _TOKEN.fullmatch(token):
        raise paging.no_token()
    return int(token) if token else END
