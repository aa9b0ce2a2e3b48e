/**
 * A network cable for several hosts, as a program: what one TAP device sends reaches all others after
 * a while, and some of it gets lost. The kernel's netem does the same, but the kernels of many
 * virtual machines come without it.
 *
 * `lan.ts DELAY_MS LOSS NAME...` makes a TAP device of each name, which are gone with this program.
 * SIGUSR1 cuts the cable, SIGUSR2 mends it.
 *
 * @module
 */

const [delay = "0", loss = "0", ...names] = Deno.args;

// From linux/if_tun.h and fcntl.h; of struct ifreq only the name and the flags are used.
const TUNSETIFF = 0x400454can;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const O_RDWR = 2;
const IFREQ_SIZE = 40;
const IFREQ_FLAGS_OFFSET = 16;

/** Bytes of the longest frame of an Ethernet with its usual MTU, and some more. */
const FRAME_LIMIT = 2048;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
});

let cut = false;
let passed = 0;
let lost = 0;

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function openTap(name: string): number {
  const fd = libc.open(new TextEncoder().encode("/dev/net/tun\0"), O_RDWR);
  if (fd < 0) throw new Error("Cannot open /dev/net/tun");
  const request = new Uint8Array(IFREQ_SIZE);
  new TextEncoder().encodeInto(name, request);
  new DataView(request.buffer).setUint16(IFREQ_FLAGS_OFFSET, IFF_TAP | IFF_NO_PI, true);
  if (libc.ioctl(fd, TUNSETIFF, request) < 0) throw new Error(`Cannot make the TAP device ${name}`);
  return fd;
}

const taps = names.map(openTap);

async function carry(from: number): Promise<never> {
  const others = taps.filter((tap) => tap !== from);
  for (;;) {
    const frame = new Uint8Array(FRAME_LIMIT);
    const size = Number(await libc.read(from, frame, BigInt(frame.length)));
    if (size < 0) throw new Error("Cannot read from a TAP device");
    for (const to of others) {
      if (cut || Math.random() < Number(loss)) {
        lost++;
        continue;
      }
      passed++;
      // Written to a device that is down, it is lost there.
      setTimeout(() => cut || libc.write(to, frame, BigInt(size)), Number(delay));
    }
  }
}

Deno.addSignalListener("SIGUSR1", () => {
  cut = true;
  say(`Cut after ${passed} frames, and ${lost} lost.`);
});
Deno.addSignalListener("SIGUSR2", () => {
  cut = false;
  say("Mended.");
});
say(`Carrying, as process ${Deno.pid}`);
await Promise.all(taps.map(carry));
