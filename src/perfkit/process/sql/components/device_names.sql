-- What a device is, by its name alone: for collections without the topology of /sys.
--   role  'made'     it is made of other devices, or carries what others carry: never counted
--         'path'     one path of a multipath disk   'twin'  another interface carries what it carries, where there is one named ethN
--         'port'     a switch's port, or an interface of its own: counted unless others have carried about as many packets as all of these
--         'outward'  a tunnel or tap: counted where the machine has nothing else
-- Sources: Linux Documentation/admin-guide/devices.txt; the kernel's drivers/; systemd.net-naming-scheme; the projects that name them.
CREATE OR REPLACE MACRO role_of(kind, device) AS CASE kind
    WHEN 'disk' THEN CASE
        WHEN regexp_matches(device, '^(dm-|md\d|md_|loop|ram\d|rxdsk|zram|sr\d|scd\d|fd\d|ploop\d)') THEN 'made'
        WHEN regexp_matches(device, '^(bcache|drbd|zd\d|ubiblock|nbd\d+p|emcpower|VxDMP|VxVM|sddlm[a-z]|vpath[a-z]|td[a-z]$)') THEN 'made'  -- PowerPath, Veritas, HDLM and SDD stand over the paths of a disk
        WHEN regexp_matches(device, '^(veeam|dattobd|elastio-snap|snapapi|sblsnap)') THEN 'made'  -- snapshots of backup agents
        WHEN regexp_matches(device, '^nvme\d+c\d+n\d+$') THEN 'path'
        END
    WHEN 'interface' THEN CASE
        WHEN regexp_matches(device, '^(lo$|veth|docker|br-|virbr|cni|flannel|cali)') THEN 'made'
        WHEN regexp_matches(device, '^(br\d|br_|bond|team|vlan|ovs-|vnet|lxcbr|lxdbr|incusbr|podman|macvtap|macvlan|ipvlan|dummy|ifb|gre|gretap|erspan|sit|ip6tnl|ip6gre|ip_vti|ip6_vti|tunl|teql|vxlan|geneve|genev_sys|kube-|nodelocaldns|cilium|lxc|weave|antrea|azv|nerdctl|vmnet|vboxnet|bridge)') THEN 'made'
        -- Proxmox, Xen, Neutron, OVN, kubenet, the AWS and Google network plugins (a pod's end of a veth), multipass and others
        WHEN regexp_matches(device, '^(vmbr\d|fwbr|fwpr|fwln|vif\d|xenbr|xapi|brq|qbr|qvb|qvo|ovn-k8s|cbr\d|eni[0-9a-f]{8}|gke[0-9a-f]{8}|hassio|mpqemubr|waydroid|anbox)') THEN 'made'
        WHEN regexp_matches(device, '^(macsec|vrf|bat\d|nlmon|vsockmon|hsr|prp\d|l2tpeth|nm-|datapath$|pimreg|hostveth|nsim|lowpan|gtp\d|amt\d|bareudp|vcan|vxcan|clat|nat64|siit|p2p-dev)') THEN 'made'
        WHEN regexp_matches(device, '^(lagg|lacp|port-channel|po\d|trunk\d|agg\d|ae\d)|mon\d*$|(^|[a-z-])br\d*$') THEN 'made'  -- aggregates and bridges as people name them
        WHEN regexp_matches(device, 'pf\d+(vf\d+|sf\d+|hpf)$') THEN 'made'  -- what stands for a function of a card with a switch in it (networking/switchdev.rst)
        WHEN regexp_matches(device, '^enP\d+') THEN 'twin'
        WHEN regexp_matches(device, '^(lan\d+|wan)$') THEN 'twin'  -- a switch's ports (DSA): ethN leads to the switch, and carries all of them
        -- Labels of such ports in the kernel's device trees (arch/*/boot/dts), and Cumulus' names for ports that nothing stands before
        WHEN regexp_matches(device, '^(lan|lan\d+[a-z]+|wan\d+|sw\d*p\d+(s\d+)?|port\d+|p\d+|sfp\d*)$') THEN 'port'
        WHEN regexp_matches(device, '^(tun|tap|wg|tailscale|zt|utun|ppp|venet|nebula|ts\d|nordlynx|proton\d|ipsec\d|vti\d|xfrm|isatap|teredo|cscotun|gpd\d|fortissl|l2tp\d|pptp|sstp|tinc|n2n|ovpn|innernet|netbird|wt\d|headscale|ham\d|hamachi|softether|mullvad|warp|CloudflareWARP|snx|pvpn|ipv6leak|slirp|6in4|6to4|he-ipv6|sixxs|aiccu)|vpn|(tun|tap)\d*$') THEN 'outward'
        END
    END;
