-- What a device is, by its name alone: for collections without the topology of /sys.
--   role  'made'     it is made of other devices, or carries what others carry: never counted
--         'path'     one path of a multipath disk   'twin'  the fast twin of another interface
--         'outward'  a tunnel or tap: counted where the machine has nothing else
-- Sources: Linux Documentation/admin-guide/devices.txt; the kernel's drivers/; systemd.net-naming-scheme; the projects that name them.
CREATE OR REPLACE TABLE device_names AS
FROM (VALUES
    ('disk', '^(dm-|md\d|md_|loop|ram\d|zram|sr\d|fd\d)', 'made'),
    ('disk', '^(bcache|drbd|zd\d|ubiblock|nbd\d+p)', 'made'),
    ('disk', '^nvme\d+c\d+n\d+$', 'path'),
    ('interface', '^(lo$|veth|docker|br-|virbr|cni|flannel|cali)', 'made'),
    ('interface', '^(br\d|bond|team|vlan|ovs-|vnet|lxcbr|lxdbr|incusbr|podman|macvtap|macvlan|ipvlan|dummy|ifb|gre|gretap|erspan|sit|ip6tnl|ip6gre|ip_vti|ip6_vti|tunl|teql|vxlan|geneve|genev_sys|kube-|nodelocaldns|cilium|lxc|weave|vxlan|antrea|azv|nerdctl|vmnet|vboxnet|bridge)', 'made'),
    ('interface', '^enP\d+', 'twin'),
    ('interface', '^(tun|tap|wg|tailscale|zt|utun|ppp|venet|nebula|ts\d)', 'outward')
) AS names (kind, pattern, role)
