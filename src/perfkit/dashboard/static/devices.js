// The order of devices, and which of them stand for themselves.

// What stands for all devices of a table.
export const WHOLE = "all";
// Loop and RAM disks, volumes made of disks, interfaces inside the machine.
const MADE =
  /^(loop|ram|zram|sr|fd|nbd|dm-|md|drbd|bcache|lo$|veth|docker|br-|virbr|cni|flannel|cali|tun|tap|dummy|ifb|sit|tunl|gre|wg)\d*/;
const PARTITION = /^((?:s|v|xv|h)d[a-z]+)\d+$|^((?:nvme\d+n|mmcblk|nbd|loop)\d+)p\d+$/;

/** Sorts what stands for all first, then disks and interfaces before what is made of them, then by number where names are numbered. */
export function byDevice(a, b) {
  const order = (name) => (name === WHOLE ? 0 : MADE.test(name) ? 2 : 1);
  return order(a) - order(b) || a.localeCompare(b, "en", { numeric: true });
}

/** Whole disks of `devices`: no partition of one that is there, nothing that is made of others; all where that leaves none. */
export function wholeDisks(devices) {
  const whole = devices.filter((name) => {
    const [, disk, numbered] = name.match(PARTITION) ?? [];
    return !MADE.test(name) && !devices.includes(disk ?? numbered);
  });
  return whole.length ? whole : devices;
}
