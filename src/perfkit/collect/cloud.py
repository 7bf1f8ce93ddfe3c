"""Whose machine this is: cloud vendor and instance type from DMI, where they can be read."""

from __future__ import annotations

from perfkit.collect.sources import read_text

# vendor: (DMI field, how its text begins, whether the product name is the instance type)
_RULES = (
    ("aws", "sys_vendor", "Amazon", True),
    ("aws", "bios_version", "4.11.amazon", False),
    ("azure", "chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", False),
    ("gcp", "sys_vendor", "Google", False),
    ("oracle", "chassis_asset_tag", "OracleCloud", False),
    ("alibaba", "sys_vendor", "Alibaba", False),
    ("tencent", "sys_vendor", "Tencent", False),
    ("huawei", "sys_vendor", "Huawei Cloud", False),
    ("digitalocean", "sys_vendor", "DigitalOcean", False),
    ("hetzner", "sys_vendor", "Hetzner", False),
    ("scaleway", "sys_vendor", "Scaleway", True),
    ("vultr", "sys_vendor", "Vultr", False),
    ("linode", "sys_vendor", "Linode", False),
    ("ovh", "sys_vendor", "OVH", False),
    ("exoscale", "sys_vendor", "Exoscale", False),
    ("upcloud", "sys_vendor", "UpCloud", False),
    ("openstack", "sys_vendor", "OpenStack", False),
    ("openstack", "product_name", "OpenStack", False),
    ("hyperv", "sys_vendor", "Microsoft Corporation", False),
    ("vmware", "sys_vendor", "VMware", False),
    ("kvm", "sys_vendor", "QEMU", False),
)


def vendor_and_type(sys_root: str) -> tuple[str | None, str | None]:
    """(vendor, instance type), each None where the machine does not tell."""
    dmi = sys_root + "/class/dmi/id/"
    for vendor, field, beginning, product_is_type in _RULES:
        if read_text(dmi + field).startswith(beginning):
            return vendor, (read_text(dmi + "product_name") or None) if product_is_type else None
    return ("aws", None) if read_text(sys_root + "/hypervisor/uuid").startswith("ec2") else (None, None)
