"""Has a payload of Slack checked by Slack's own SDK: prints what is wrong with it, as JSON."""

import json
import sys

from slack_sdk.models.blocks import Block

payload = json.load(sys.stdin)
faults = []
if not payload.get("text"):
    faults.append("no text for notifications")
if len(payload["blocks"]) > 50:
    faults.append("more than 50 blocks")
for raw in payload["blocks"]:
    block = Block.parse(raw)
    if block is None:
        faults.append(f"unknown block {raw.get('type')}")
        continue
    try:
        block.validate_json()
    except Exception as error:
        faults.append(str(error))
    if block.to_dict() != raw:
        faults.append(f"not what the SDK would send: {block.to_dict()}")
print(json.dumps(faults))
