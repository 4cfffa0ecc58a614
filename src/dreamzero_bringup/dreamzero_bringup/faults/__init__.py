"""The fault suite: real nodes as processes, one fault after the other, judged by the commands."""
