/**
 * Files that are refused for a host, and for what they say about peers.
 *
 * @module
 */

import { admin, type InvalidFile, keys, USE_HOST, USE_PORT } from "./text.ts";

const USE_IPV4 = "Write an IPv4 address as four numbers from 0 to 255, without leading zeros.";

/** A file whose admin server listens on `host`, refused with `hint`. */
function listening(host: string, hint: string): Pick<InvalidFile, "text" | "problems"> {
  const quoted = JSON.stringify(host);
  return {
    text: admin(`"listen": ${quoted}`),
    problems: [["servers[1].listen", `is not a host. ${hint}`]],
  };
}

export const HOSTS: readonly InvalidFile[] = [
  {
    what: "an address that is no text",
    text: admin(`"listen": 127`),
    problems: [["servers[1].listen", `127 is not a host. ${USE_HOST}`]],
  },
  {
    what: "an IPv6 address in brackets",
    ...listening("[::1]", `Write an IPv6 address without brackets: "::1".`),
  },
  {
    what: "an IPv6 address with a zone",
    ...listening("fe80::1%eth0", "Remove the zone after the address: neither a URL nor"),
  },
  {
    what: "an address with a port",
    ...listening("127.0.0.1:22281", `Write the host alone; the port goes into "port".`),
  },
  {
    what: "an IPv6 address with a port",
    ...listening("[::1]:22281", `Write the host alone; the port goes into "port".`),
  },
  {
    what: "a URL for a host",
    ...listening("http://localhost", "Write the host alone, without a scheme or a path."),
  },
  { what: "an IPv4 address of three numbers", ...listening("1.2.3", USE_IPV4) },
  { what: "an IPv4 address with a number above 255", ...listening("999.1.1.1", USE_IPV4) },
  { what: "an IPv4 address with a leading zero", ...listening("0127.0.0.1", USE_IPV4) },
  { what: "an IPv4 address in hexadecimal", ...listening("0x7f.1", USE_IPV4) },
  { what: "a host name that ends in a hexadecimal number", ...listening("a.0x7f", USE_IPV4) },
  { what: "an IPv4 address as one number", ...listening("2130706433", USE_IPV4) },
  { what: "an IPv4 address that ends in a dot", ...listening("127.0.0.1.", USE_IPV4) },
  { what: "an IPv6 address with two gaps", ...listening("1::2::3", USE_HOST) },
  {
    what: "a wildcard, which a permission flag would widen",
    ...listening("*.example.com", USE_HOST),
  },
  { what: "a network, which a permission flag would widen", ...listening("10.0.0.0/8", USE_HOST) },
  { what: "two hosts in one text", ...listening("a.example,b.example", USE_HOST) },
  { what: "a host name with a space", ...listening("a b", USE_HOST) },
  { what: "a host name with an empty label", ...listening("a..example", USE_HOST) },
  { what: "a host name that is only a dot", ...listening(".", USE_HOST) },
  {
    what: "an international host name that is not in ASCII",
    ...listening("bücher.example", "Write a host name in ASCII; an international one in the form"),
  },
  { what: "a broken international host name", ...listening("xn--a", USE_HOST) },
  {
    what: "a host name with a label of 64 letters",
    ...listening(`${"a".repeat(64)}.example`, "Use at most 253 characters, and at most 63 between"),
  },
  {
    what: "a host name of 254 characters",
    ...listening("a.".repeat(126) + "ab", "Use at most 253 characters, and at most 63 between"),
  },
];

export const CLUSTER: readonly InvalidFile[] = [
  {
    what: "a peer without anything",
    text: keys(`"cluster": [{}]`),
    problems: [
      ["cluster[0].host", "The key is missing. Set it to an IPv4 address, an IPv6 address or a"],
      ["cluster[0].port", "The key is missing. Set it to a whole number from 1 to 65535."],
      ["cluster[0].protocol", `The key is missing. Set it to "http" or "https".`],
    ],
  },
  {
    what: "an empty host, null for a port and an unknown protocol of a peer",
    text: keys(`"cluster": [{"host": "", "port": null, "protocol": "ws"}]`),
    problems: [
      ["cluster[0].host", `"" is not a host. ${USE_HOST}`],
      ["cluster[0].port", `null is not a port. ${USE_PORT}`],
      ["cluster[0].protocol", `"ws" is not a protocol. Use "http" or "https".`],
    ],
  },
  ...[["HTTP", "http"], ["htps", "https"], ["htpt", "http"]].map(([wrong, right]): InvalidFile => ({
    what: `the protocol "${wrong}", and suggests "${right}"`,
    text: keys(`"cluster": [{"host": "a", "port": 1, "protocol": "${wrong}"}]`),
    problems: [["cluster[0].protocol", `"${wrong}" is not a protocol. Did you mean "${right}"?`]],
  })),
  {
    what: "an authority for a peer without TLS",
    text: keys(
      `"cluster": [{"host": "a", "port": 1, "protocol": "http", "ssl.ca": "ca.pem"}]`,
    ),
    problems: [[
      "cluster[0].ssl.ca",
      `"ca.pem" would not be used: a peer with the protocol "http" shows no certificate. ` +
      'Set "protocol" to "https", or remove the key.',
    ]],
  },
  {
    what:
      "an authority for a peer of an unknown protocol, without guessing what it was meant to be",
    text: keys(
      `"cluster": [{"host": "a", "port": 1, "protocol": "tls", "ssl.ca": "ca.pem"}]`,
    ),
    problems: [["cluster[0].protocol", `"tls" is not a protocol. Use "http" or "https".`]],
  },
  {
    what: "one peer twice, even with another protocol and another spelling of the host",
    text: keys(
      `"cluster": [
        {"host": "a.example", "port": 1, "protocol": "http"},
        {"host": "::1", "port": 1, "protocol": "http"},
        {"host": "A.Example", "port": 1, "protocol": "https"},
        {"host": "0:0::1", "port": 1, "protocol": "http"},
        {"host": "a.example.", "port": 1, "protocol": "http"},
        {"host": "a.example", "port": 2, "protocol": "http"}
      ]`,
    ),
    problems: [
      ["cluster[2]", `"A.Example:1" is also the address of cluster[0]. Name each peer once.`],
      ["cluster[3]", `"[0:0::1]:1" is also the address of cluster[1]. Name each peer once.`],
      ["cluster[4]", `"a.example.:1" is also the address of cluster[0]. Name each peer once.`],
    ],
  },
];
