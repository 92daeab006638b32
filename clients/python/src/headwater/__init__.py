"""The client of Headwater, a self-hosted affiliate and referral engine.

```python
import headwater
from headwater import v1 as hw

with headwater.connect("hw.internal:50051", key) as client:
    client.tracking.RecordSale(
        hw.RecordSaleRequest(
            event_id="order-1001",
            email="kim@customers.example",
            amount=hw.Money(amount_minor=4_999, currency_code="USD"),
        )
    )
```

`headwater.v1` has all messages, enums and stubs of the API. Their comments say units, limits, defaults and errors.
"""

from ._client import Client, connect
from ._errors import FieldViolation, HeadwaterError
from ._follower import Follower, Handler

__all__ = ["Client", "FieldViolation", "Follower", "Handler", "HeadwaterError", "connect"]
