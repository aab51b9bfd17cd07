"""Whether an alert may leave the house. Pure: settings and an address in, a reason to keep it out.

What is written into the data folder or the in-app inbox never leaves. For everything else: sending must be on, the address on the
allow-list (if there is one), and not that of an invented person: names that RFC 2606 and RFC 6761 reserve, and addresses with which GOV.UK
Notify simulates, are never handed to a real provider (but Notify may have its own simulated ones: it delivers them to nobody).
"""

import re
from urllib.parse import urlsplit

from shared.config import Config, is_loopback

RESERVED = re.compile(r"(.+\.)?(example\.(com|net|org)|test|example|invalid|localhost)")
"""Domains that belong to nobody, RFC 2606 and RFC 6761."""
SIMULATED = re.compile(r"simulate-[a-z0-9-]+@notifications\.service\.gov\.uk|(temp|perm)-fail@simulator\.notify")
"""Addresses of https://docs.notifications.service.gov.uk (Testing): Notify answers for them, and writes to nobody."""


def kept_because(config: Config, channel: str, address: str) -> str:
    """Why an alert to this address is worded and kept, not sent; empty if it may leave."""
    if channel == "inbox" or (channel == "email" and config.email == "files"):
        return ""
    if not config.sending:
        return "Worded and kept, not sent: sending is off (TRIPARTITE_SENDING)."
    if channel == "webhook" and not config.webhook_secret:
        return "Worded and kept, not sent: webhooks cannot be signed without TRIPARTITE_WEBHOOK_SECRET."
    domain = _domain(channel, address)
    if config.allow_list and not {address.lower(), f"@{domain}"} & set(config.allow_list):
        return f"Worded and kept, not sent: {_shown(address)} is not on TRIPARTITE_ALLOW_LIST."
    if not is_loopback(_carrier(config, channel, domain)) and _simulated(config, channel, address.lower(), domain):
        return f"Worded and kept, not sent: {_shown(address)} is reserved for examples; nobody real reads it."
    return ""


def _domain(channel: str, address: str) -> str:
    found = _parts(address) if channel == "webhook" else address.rpartition("@")[2]
    return found.lower().rstrip(".")


def _parts(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""  # its sender refuses it, with a reason


def _shown(address: str) -> str:
    """An address as a message may say it: of a URL the host only, for the rest may be secret."""
    return _parts(address) if "://" in address else address


def _carrier(config: Config, channel: str, domain: str) -> str:
    """The host that an alert is handed to."""
    if channel == "webhook":
        return domain
    return _parts(config.smtp_url if config.email == "smtp" else config.notify_url)


def _simulated(config: Config, channel: str, address: str, domain: str) -> bool:
    if channel == "email" and SIMULATED.fullmatch(address):
        return config.email != "notify"
    return bool(RESERVED.fullmatch(domain))
