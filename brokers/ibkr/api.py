"""The client library that speaks TWS's protocol: ib_async, or ib_insync where that is installed.

They are the same code by two maintainers and must not be installed both: they share a module.
"""

from __future__ import annotations

from typing import Final

try:
    import ib_async as ibx
except ImportError:
    import ib_insync as ibx  # type: ignore[import-not-found,no-redef]

Client = ibx.Client
ComboLeg = ibx.ComboLeg
CommissionReport = ibx.CommissionReport
Contract = ibx.Contract
ContractDetails = ibx.ContractDetails
Execution = ibx.Execution
ExecutionFilter = ibx.ExecutionFilter
Order = ibx.Order
OrderState = ibx.OrderState

#: Where the library says that it could not read a message; it says so nowhere else.
DECODER_LOG: Final = f"{ibx.__name__}.Decoder"
CLIENT_LOG: Final = f"{ibx.__name__}.client"
