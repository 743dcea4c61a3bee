"""Fitted heads as numpy arrays: they predict what MLlib predicts, without Java and pickle."""

from spark_cxr.heads.portable.archive import check_head, pack, unpack
from spark_cxr.heads.portable.findings import FindingHeads, PortableHead
from spark_cxr.heads.portable.stages import Stage, read_stages

__all__ = ["FindingHeads", "PortableHead", "Stage", "check_head", "pack", "read_stages", "unpack"]
