// wsload - load generator for WebSocket notification servers (Aphlict protocol).
//
// One thread, one epoll set, no dependencies, no TLS. See README.md.
//   g++ -O2 -std=c++17 -Wall -Wextra -o wsload wsload.cpp
//
// Output: one JSON object on stdout; progress notes on stderr with --verbose.
// Exit status: 0 = ran and every expected delivery arrived, 1 = ran with losses/failures, 2 = usage.

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

using std::string;
using std::vector;
typedef uint64_t u64;

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

// ---------------------------------------------------------------- utilities

static u64 now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (u64)t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void sleep_ns(u64 ns) {
  timespec t{(time_t)(ns / 1000000000ull), (long)(ns % 1000000000ull)};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}
[[noreturn]] static void die(const char* fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "wsload: ");
  vfprintf(stderr, fmt, ap);
  fprintf(stderr, "\n");
  va_end(ap);
  exit(2);
}
static u64 rng_state = 0x9E3779B97F4A7C15ull;
static u64 rnd() {  // splitmix64
  u64 z = (rng_state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}
static string slurp(const char* path) {
  string s;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return s;
  char b[65536];
  ssize_t n;
  while ((n = read(fd, b, sizeof b)) > 0) s.append(b, n);
  close(fd);
  return s;
}

// Log-linear histogram of nanoseconds: 64 sub-buckets per octave (error < 1.6 %).
struct Hist {
  vector<u64> b = vector<u64>(64 * 64, 0);
  u64 n = 0, max = 0;
  double sum = 0;
  static int idx(u64 v) {
    if (v < 64) return (int)v;
    int e = 63 - __builtin_clzll(v);
    return (e - 5) * 64 + (int)((v >> (e - 6)) & 63);
  }
  static u64 val(int i) {
    if (i < 64) return i;
    int e = i / 64 + 5;
    return (1ull << e) + ((u64)(i % 64) << (e - 6)) + (1ull << (e - 6)) / 2;
  }
  void add(u64 v) {
    b[idx(v)]++;
    n++;
    sum += (double)v;
    if (v > max) max = v;
  }
  double pct(double p) const {  // milliseconds
    if (!n) return 0;
    u64 want = (u64)ceil(p / 100.0 * (double)n), c = 0;
    for (size_t i = 0; i < b.size(); i++)
      if ((c += b[i]) >= want) return (double)std::min(val((int)i), max) / 1e6;
    return (double)max / 1e6;
  }
  string json() const {
    char o[256];
    snprintf(o, sizeof o, "{\"n\":%llu,\"mean\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}",
             (unsigned long long)n, n ? sum / (double)n / 1e6 : 0, pct(50), pct(90), pct(99), pct(99.9), (double)max / 1e6);
    return o;
  }
};

static void sha1(const string& in, unsigned char out[20]) {
  uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  string m = in;
  u64 bits = (u64)in.size() * 8;
  m.push_back((char)0x80);
  while (m.size() % 64 != 56) m.push_back(0);
  for (int i = 7; i >= 0; i--) m.push_back((char)(bits >> (8 * i)));
  auto rol = [](uint32_t x, int n) { return (x << n) | (x >> (32 - n)); };
  for (size_t o = 0; o < m.size(); o += 64) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++)
      w[i] = (uint32_t)(unsigned char)m[o + i * 4] << 24 | (uint32_t)(unsigned char)m[o + i * 4 + 1] << 16 |
             (uint32_t)(unsigned char)m[o + i * 4 + 2] << 8 | (uint32_t)(unsigned char)m[o + i * 4 + 3];
    for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
      uint32_t f, k;
      if (i < 20) f = (b & c) | (~b & d), k = 0x5A827999;
      else if (i < 40) f = b ^ c ^ d, k = 0x6ED9EBA1;
      else if (i < 60) f = (b & c) | (b & d) | (c & d), k = 0x8F1BBCDC;
      else f = b ^ c ^ d, k = 0xCA62C1D6;
      uint32_t t = rol(a, 5) + f + e + k + w[i];
      e = d, d = c, c = rol(b, 30), b = a, a = t;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
  for (int i = 0; i < 20; i++) out[i] = (unsigned char)(h[i / 4] >> (8 * (3 - i % 4)));
}
static string b64(const unsigned char* p, size_t n) {
  static const char* t = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  string o;
  for (size_t i = 0; i < n; i += 3) {
    uint32_t v = p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
    o += t[v >> 18 & 63];
    o += t[v >> 12 & 63];
    o += i + 1 < n ? t[v >> 6 & 63] : '=';
    o += i + 2 < n ? t[v & 63] : '=';
  }
  return o;
}

struct Url {
  string host, path;
  int port = 80;
  sockaddr_in addr{};
};
static Url parse_url(const string& u) {
  Url r;
  size_t p = u.find("://");
  string rest = p == string::npos ? u : u.substr(p + 3);
  string scheme = p == string::npos ? "http" : u.substr(0, p);
  if (scheme == "wss" || scheme == "https") die("no TLS here: %s", u.c_str());
  size_t s = rest.find('/');
  string hp = rest.substr(0, s);
  r.path = s == string::npos ? "/" : rest.substr(s);
  size_t c = hp.rfind(':');
  r.host = hp.substr(0, c);
  if (c != string::npos) r.port = atoi(hp.c_str() + c + 1);
  if (r.host == "localhost") r.host = "127.0.0.1";
  r.addr.sin_family = AF_INET;
  r.addr.sin_port = htons((uint16_t)r.port);
  if (inet_pton(AF_INET, r.host.c_str(), &r.addr.sin_addr) != 1) die("want an IPv4 address in %s", u.c_str());
  if ((ntohl(r.addr.sin_addr.s_addr) >> 24) != 127) die("refusing a target outside 127.0.0.0/8: %s", u.c_str());
  return r;
}

// ------------------------------------------------------- server resource use

struct Usage {
  double rss = 0, pss = 0;  // bytes
  double cpu = 0;           // seconds
  int threads = 0, procs = 0;
};
static double field_kb(const string& s, const char* name) {
  size_t p = s.find(name);
  return p == string::npos ? 0 : atof(s.c_str() + p + strlen(name)) * 1024;
}
static double proc_cpu(int pid) {
  string st = slurp(("/proc/" + std::to_string(pid) + "/stat").c_str());
  size_t p = st.rfind(')');
  if (p == string::npos) return 0;
  unsigned long ut = 0, stt = 0;
  sscanf(st.c_str() + p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ut, &stt);
  return (double)(ut + stt) / (double)sysconf(_SC_CLK_TCK);
}
static Usage usage_of(const vector<int>& pids, bool mem) {
  Usage u;
  for (int pid : pids) {
    string base = "/proc/" + std::to_string(pid);
    u.cpu += proc_cpu(pid);
    if (mem) {
      string st = slurp((base + "/status").c_str());
      if (st.empty()) continue;
      u.procs++;
      u.rss += field_kb(st, "VmRSS:");
      size_t p = st.find("Threads:");
      if (p != string::npos) u.threads += atoi(st.c_str() + p + 8);
      string sm = slurp((base + "/smaps_rollup").c_str());
      u.pss += field_kb(sm, "\nPss:");
    }
  }
  return u;
}
struct Machine {  // /proc/stat, seconds
  double user = 0, sys = 0, irq = 0, soft = 0, idle = 0, steal = 0;
};
static Machine machine() {
  Machine m;
  string s = slurp("/proc/stat");
  unsigned long v[10] = {0};
  sscanf(s.c_str(), "cpu %lu %lu %lu %lu %lu %lu %lu %lu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7);
  double t = (double)sysconf(_SC_CLK_TCK);
  m.user = (double)(v[0] + v[1]) / t, m.sys = (double)v[2] / t, m.idle = (double)(v[3] + v[4]) / t;
  m.irq = (double)v[5] / t, m.soft = (double)v[6] / t, m.steal = (double)v[7] / t;
  return m;
}
static double self_cpu() {
  rusage r;
  getrusage(RUSAGE_SELF, &r);
  return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

// ------------------------------------------------------------------- options

struct Opts {
  string scenario = "broadcast", label, instance, proto = "aphlict";
  vector<Url> client, admin;
  vector<string> headers;
  vector<int> pids;
  int n = 1000;                // listeners
  long messages = 1000;        // how many to publish at most
  double duration = 30;        // publish (or churn) at most this long, seconds
  double rate = 0;             // messages per second; 0 = closed loop
  int window = 4;              // publisher connections = POSTs in flight
  double backlog = 16;         // closed loop: at most this many messages not yet delivered everywhere; 0 = no limit
  int size = 300;              // JSON message bytes
  int topics = 10, fan = 3;    // targeted: topics per listener, listeners per message
  int conc = 128;              // handshakes in flight / churn slots
  int slow = 1;                // slow: clients that never read
  int sources = 0;             // source addresses 127.0.0.1.. (0 = as needed)
  double settle = 1.0, stall = 10, connect_timeout = 60, hold = 0, after_close = 3;
  int rounds = 1;              // idle: open/close rounds
  int nap_us = 0;              // pause before each epoll_wait: fewer, larger reads
  bool verbose = false, status = false;
} opt;

static void usage() {
  fprintf(stderr,
          "usage: wsload --client-url ws://127.0.0.1:PORT/PATH --admin-url http://127.0.0.1:PORT/ [options]\n"
          "  --client-url may be repeated: a cluster. Listeners are spread over its servers in turn, messages are\n"
          "                   published to --admin-url, the admin port of the first, and what a listener gets again\n"
          "                   counts as duplicated alone\n"
          "  --scenario S     broadcast | targeted | idle | churn | paced | slow      (broadcast)\n"
          "  --server-pid P[,P..]  processes whose memory and CPU are read\n"
          "  --instance I     client path gets ~I/, admin URL gets ?instance=I\n"
          "  --proto P        aphlict (subscribe/ping commands) | url (topic is the URL, e.g. nchan)\n"
          "  -n N             listeners (1000)\n"
          "  --messages M     messages to publish at most (1000)\n"
          "  --duration S     publish/churn at most S seconds (30)\n"
          "  --rate R         open loop at R messages/s; 0 = closed loop (paced: 50)\n"
          "  --window W       POSTs in flight, one keep-alive connection each (4)\n"
          "  --backlog B      closed loop: at most B messages not yet received everywhere; 0 = unlimited (16)\n"
          "  --size B         JSON message bytes (300)\n"
          "  --topics K --fan F  targeted: own topics per listener (10), listeners per message (3)\n"
          "  --concurrency C  handshakes in flight; churn slots (128)\n"
          "  --slow K         slow: clients that never read (1)\n"
          "  --sources K      source addresses 127.0.0.1..K (as needed)\n"
          "  --rounds R       idle: open/close R times, memory after each (1)\n"
          "  --hold S         idle: keep the connections open S seconds (0)\n"
          "  --settle S --stall S --connect-timeout S --after-close S\n"
          "  --nap-us U       sleep U us before each epoll_wait (throughput runs; lightens wsload)\n"
          "  --header 'K: V'  extra handshake header (repeatable)\n"
          "  --label L --status --verbose\n");
  exit(2);
}

// --------------------------------------------------------------- connections

enum St : uint8_t { FREE, CONNECTING, HANDSHAKE, BARRIER, READY, CLOSING, DEAD };
struct Conn {
  int fd = -1;
  St st = FREE;
  bool slow = false, closed_by_server = false;
  u64 t0 = 0;
  u64 got = 0, seqsum = 0;
  u64 want = 0, wantsum = 0;  // targeted only
  vector<bool> seen;          // messages that it got; cluster only
  string pend;                // unparsed bytes
  string frag;                // fragmented message so far
};
struct Pub {
  int fd = -1;
  bool busy = false;
  u64 t0 = 0;
  string in;
};

static int ep = -1;
static vector<Conn> conns;
static vector<Pub> pubs;
static string ws_key, ws_accept;
static u64 T_CLIENT = 0, T_PUB = 1ull << 56;

// progress
static long opened = 0, failed = 0, inflight_connects = 0, next_open = 0;
static u64 received = 0, expected = 0, repeats = 0, misrouted = 0, unparsed = 0, bytes_in = 0, recv_calls = 0;
static long published = 0, acked = 0, pub_errors = 0, fail_notes = 0;
static u64 first_pub = 0, last_recv = 0, last_progress = 0;
static long churn_done = 0, churn_failed = 0;
static bool churn_stop = false;
static Hist h_lat, h_pub, h_conn, h_msg, h_remote;
static vector<uint32_t> targets;       // targeted: fan listeners of message seq
static vector<uint32_t> left;          // deliveries still missing of message seq
static bool measuring = false;

static bool cluster() { return opt.client.size() > 1; }

static void note_fail(const char* what, int i, int err) {
  if (fail_notes++ < 5) fprintf(stderr, "wsload: connection %d: %s%s%s\n", i, what, err ? ": " : "", err ? strerror(err) : "");
}

static string phid(const char* kind, u64 a, u64 b) {
  char o[64];
  snprintf(o, sizeof o, "PHID-%s-%012llu%08llu", kind, (unsigned long long)a, (unsigned long long)b);
  return o;
}
static const char* SHARED = "PHID-SHRD-abcdefghijklmnopqrst";

static string ws_frame(int op, const string& p) {
  string f;
  f += (char)(0x80 | op);
  size_t n = p.size();
  if (n < 126) f += (char)(0x80 | n);
  else if (n < 65536) {
    f += (char)(0x80 | 126);
    f += (char)(n >> 8);
    f += (char)n;
  } else {
    f += (char)(0x80 | 127);
    for (int i = 7; i >= 0; i--) f += (char)((u64)n >> (8 * i));
  }
  uint32_t m = (uint32_t)rnd();
  unsigned char k[4];
  memcpy(k, &m, 4);
  f.append((char*)k, 4);
  for (size_t i = 0; i < n; i++) f += (char)(p[i] ^ k[i & 3]);
  return f;
}
// Small writes on sockets with an empty send buffer; waits (bounded) if it is full.
static bool send_all(int fd, const char* p, size_t n) {
  while (n) {
    ssize_t w = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (w > 0) {
      p += w, n -= (size_t)w;
      continue;
    }
    if (w < 0 && errno == EINTR) continue;
    if (w < 0 && errno == EAGAIN) {
      pollfd f{fd, POLLOUT, 0};
      if (poll(&f, 1, 5000) <= 0) return false;
      continue;
    }
    return false;
  }
  return true;
}

static string ws_path(const Url& u) {
  if (opt.instance.empty()) return u.path;
  string p = u.path;
  if (p.empty() || p.back() != '/') p += '/';
  return p + "~" + opt.instance + "/";
}

static void close_conn(int i, St st) {
  Conn& c = conns[i];
  if (c.fd >= 0) close(c.fd);
  c.fd = -1;
  c.st = st;
  string().swap(c.pend);
  string().swap(c.frag);
}
static void conn_failed(int i, const char* why, int err) {
  Conn& c = conns[i];
  bool pending = c.st == CONNECTING || c.st == HANDSHAKE || c.st == BARRIER;
  note_fail(why, i, err);
  if (pending) inflight_connects--;
  if (opt.scenario == "churn") churn_failed++;
  else failed++;
  if (c.st == READY) c.closed_by_server = true, opened--;
  close_conn(i, DEAD);
}

static void open_conn(int i) {
  Conn& c = conns[i];
  const Url& u = opt.client[i % opt.client.size()];
  static u64 serial = 0;
  serial++;
  c.t0 = now_ns();
  c.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c.fd < 0) {
    failed++;
    c.st = DEAD;
    note_fail("socket", i, errno);
    return;
  }
  int one = 1;
  setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (opt.sources > 1) {
    setsockopt(c.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(0x7F000001u + (uint32_t)(serial % (u64)opt.sources));
    if (bind(c.fd, (sockaddr*)&a, sizeof a) < 0) note_fail("bind", i, errno);
  }
  c.st = CONNECTING;
  inflight_connects++;
  if (connect(c.fd, (const sockaddr*)&u.addr, sizeof u.addr) < 0 && errno != EINPROGRESS) {
    conn_failed(i, "connect", errno);
    return;
  }
  epoll_event e{};
  e.events = EPOLLOUT | EPOLLIN | EPOLLET | EPOLLRDHUP;
  e.data.u64 = T_CLIENT | (u64)i;
  epoll_ctl(ep, EPOLL_CTL_ADD, c.fd, &e);
}

static void start_handshake(int i) {
  Conn& c = conns[i];
  int err = 0;
  socklen_t l = sizeof err;
  getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &err, &l);
  if (err) {
    conn_failed(i, "connect", err);
    return;
  }
  const Url& u = opt.client[i % opt.client.size()];
  string r = "GET " + ws_path(u) + " HTTP/1.1\r\nHost: " + u.host + ":" + std::to_string(u.port) +
             "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + ws_key + "\r\n";
  for (auto& h : opt.headers) r += h + "\r\n";
  r += "\r\n";
  if (!send_all(c.fd, r.data(), r.size())) {
    conn_failed(i, "send handshake", errno);
    return;
  }
  c.st = HANDSHAKE;
}

static void send_close(int i) {
  Conn& c = conns[i];
  string f = ws_frame(8, string("\x03\xE8", 2));
  send_all(c.fd, f.data(), f.size());
  c.st = CLOSING;
}
static void conn_ready(int i) {
  Conn& c = conns[i];
  inflight_connects--;
  h_conn.add(now_ns() - c.t0);
  if (opt.scenario == "churn") {
    send_close(i);
    return;
  }
  c.st = READY;
  opened++;
  last_progress = now_ns();
  epoll_event e{};
  e.events = EPOLLIN | EPOLLET | EPOLLRDHUP;
  if (c.slow) e.events = EPOLLET;  // only errors/hang-ups, never data
  e.data.u64 = T_CLIENT | (u64)i;
  epoll_ctl(ep, EPOLL_CTL_MOD, c.fd, &e);
}
static void upgraded(int i) {
  Conn& c = conns[i];
  if (opt.proto == "url") {
    conn_ready(i);
    return;
  }
  string d = "{\"command\":\"subscribe\",\"data\":[";
  if (opt.scenario == "broadcast" || opt.scenario == "paced" || opt.scenario == "slow") d += string("\"") + SHARED + "\"";
  else {
    for (int k = 0; k < opt.topics; k++) d += "\"" + phid("USER", (u64)i, (u64)k) + "\",";
    d += string("\"") + SHARED + "\"";
  }
  d += "]}";
  // A ping behind the subscribe: its pong says that the subscription is in force.
  string f = ws_frame(1, d) + ws_frame(1, "{\"command\":\"ping\"}");
  if (!send_all(c.fd, f.data(), f.size())) {
    conn_failed(i, "send subscribe", errno);
    return;
  }
  c.st = BARRIER;
}

// "uniqueID":"SEQ.NS" - the offset hardly ever changes from one message to the next.
static bool find_stamp(const char* p, size_t n, u64& seq, u64& ts) {
  static size_t hint = 0;
  static const char key[] = "\"uniqueID\":\"";
  const size_t kl = sizeof key - 1;
  const char* q;
  if (hint + kl < n && memcmp(p + hint, key, kl) == 0) q = p + hint;
  else {
    q = (const char*)memmem(p, n, key, kl);
    if (!q) return false;
    hint = (size_t)(q - p);
  }
  const char* e = p + n;
  q += kl;
  seq = ts = 0;
  while (q < e && *q >= '0' && *q <= '9') seq = seq * 10 + (u64)(*q++ - '0');
  if (q >= e || *q != '.') return false;
  q++;
  while (q < e && *q >= '0' && *q <= '9') ts = ts * 10 + (u64)(*q++ - '0');
  return true;
}

static void on_message(int i, const char* p, size_t n, u64 t) {
  Conn& c = conns[i];
  if (n < 64 && memmem(p, n, "\"pong\"", 6)) {
    if (c.st == BARRIER) conn_ready(i);
    return;
  }
  u64 seq, ts;
  if (!find_stamp(p, n, seq, ts)) {
    unparsed++;
    return;
  }
  if (!measuring) return;
  u64 l = t > ts ? t - ts : 0;
  if (cluster()) {
    if (seq >= left.size()) {
      misrouted++;
      return;
    }
    if (c.seen.size() < left.size()) c.seen.resize(left.size() * 2);
    if (c.seen[seq]) {
      repeats++;
      return;
    }
    c.seen[seq] = true;
    if ((size_t)i % opt.client.size() != 0) h_remote.add(l);
  }
  received++;
  h_lat.add(l);
  bool ok = targets.empty();
  if (!ok) {
    for (int k = 0; k < opt.fan; k++)
      if ((u64)opt.fan * seq + (u64)k < targets.size() && targets[(size_t)opt.fan * seq + (size_t)k] == (uint32_t)i) ok = true;
    if (!ok) misrouted++;
  }
  if (ok) {
    c.got++;
    c.seqsum += seq;
  }
  if (seq < left.size() && left[seq] && --left[seq] == 0) h_msg.add(l);  // last delivery of this message
  last_recv = t;
}

static void server_closed(int i) {
  Conn& c = conns[i];
  if (c.st == CLOSING) {
    close_conn(i, DEAD);
    if (opt.scenario == "churn") {
      churn_done++;
      last_progress = now_ns();
    }
  } else if (c.st != DEAD && c.st != FREE) conn_failed(i, "closed by server", 0);
}

// Parses whole frames out of p[0..n); returns the bytes used.
static size_t parse_frames(int i, const char* p, size_t n, u64 t) {
  Conn& c = conns[i];
  size_t o = 0;
  while (n - o >= 2 && c.fd >= 0) {
    const unsigned char* f = (const unsigned char*)p + o;
    size_t hl = 2;
    u64 len = f[1] & 127;
    if (f[1] & 128) {
      conn_failed(i, "masked frame from server", 0);
      return n;
    }
    if (len == 126) {
      if (n - o < 4) break;
      len = (u64)f[2] << 8 | f[3];
      hl = 4;
    } else if (len == 127) {
      if (n - o < 10) break;
      len = 0;
      for (int k = 2; k < 10; k++) len = len << 8 | f[k];
      hl = 10;
    }
    if (n - o < hl + len) break;
    const char* d = p + o + hl;
    int op = f[0] & 15;
    bool fin = f[0] & 128;
    o += hl + len;
    if (op == 1 || op == 2) {
      if (fin) on_message(i, d, len, t);
      else c.frag.assign(d, len);
    } else if (op == 0) {
      c.frag.append(d, len);
      if (fin) {
        string m;
        m.swap(c.frag);
        on_message(i, m.data(), m.size(), t);
      }
    } else if (op == 9) {
      string r = ws_frame(10, string(d, len));
      send_all(c.fd, r.data(), r.size());
    } else if (op == 8) {
      server_closed(i);
      return n;
    }
  }
  return o;
}

static char rbuf[1 << 18];
static void client_event(int i, uint32_t ev) {
  Conn& c = conns[i];
  if (c.fd < 0) return;
  if (c.st == CONNECTING) {
    if (ev & (EPOLLOUT | EPOLLERR | EPOLLHUP)) start_handshake(i);
    if (c.st != HANDSHAKE) return;
  }
  if (c.slow && c.st == READY) {
    if (ev & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) server_closed(i);
    return;
  }
  if (!(ev & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))) return;
  for (;;) {
    ssize_t n = recv(c.fd, rbuf, sizeof rbuf, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return;
      if (c.st == CLOSING) server_closed(i);
      else conn_failed(i, "recv", errno);
      return;
    }
    if (n == 0) {
      server_closed(i);
      return;
    }
    recv_calls++;
    bytes_in += (u64)n;
    u64 t = now_ns();
    const char* p = rbuf;
    size_t len = (size_t)n;
    bool carried = !c.pend.empty();
    if (carried) {
      c.pend.append(rbuf, len);
      p = c.pend.data();
      len = c.pend.size();
    }
    size_t used = 0;
    if (c.st == HANDSHAKE) {
      const char* e = (const char*)memmem(p, len, "\r\n\r\n", 4);
      if (e) {
        string head(p, (size_t)(e - p) + 2);
        if (head.compare(0, 12, "HTTP/1.1 101") != 0) {
          conn_failed(i, head.substr(0, head.find('\r')).c_str(), 0);
          return;
        }
        const char* k = strcasestr(head.c_str(), "sec-websocket-accept:");
        if (!k || !strstr(k, ws_accept.c_str())) {
          conn_failed(i, "wrong Sec-WebSocket-Accept", 0);
          return;
        }
        used = (size_t)(e - p) + 4;
        upgraded(i);
      }
    }
    if (c.st != HANDSHAKE && c.fd >= 0) {
      // close_conn() empties c.pend, so parse from a stable buffer in that case
      used += parse_frames(i, p + used, len - used, t);
    }
    if (c.fd < 0) return;
    if (used < len) {
      if (carried) c.pend.erase(0, used);
      else c.pend.assign(p + used, len - used);
    } else if (carried) string().swap(c.pend);
    if (c.slow && c.st == READY) return;
    if (n < (ssize_t)sizeof rbuf && !(ev & (EPOLLRDHUP | EPOLLHUP))) return;  // drained
  }
}

// ---------------------------------------------------------------- publishers

static string admin_path() {
  string p = opt.admin[0].path;
  if (!opt.instance.empty()) p += (p.find('?') == string::npos ? "?" : "&") + string("instance=") + opt.instance;
  return p;
}
static bool pub_connect(int k) {
  Pub& b = pubs[k];
  const Url& u = opt.admin[k % opt.admin.size()];
  b.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(b.fd, (const sockaddr*)&u.addr, sizeof u.addr) < 0) {
    close(b.fd);
    b.fd = -1;
    return false;
  }
  int one = 1;
  setsockopt(b.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  epoll_event e{};
  e.events = EPOLLIN | EPOLLRDHUP;
  e.data.u64 = T_PUB | (u64)k;
  epoll_ctl(ep, EPOLL_CTL_ADD, b.fd, &e);
  b.in.clear();
  b.busy = false;
  return true;
}

static u64 per_message() {
  if (opt.scenario == "targeted") return (u64)opt.fan;
  return (u64)opened - (opt.scenario == "slow" ? (u64)opt.slow : 0);
}
static void publish(int k, u64 stamp) {
  Pub& b = pubs[k];
  if (b.fd < 0 && !pub_connect(k)) {
    pub_errors++;
    published++;
    return;
  }
  u64 seq = (u64)published;
  string subs;
  u64 fan = per_message();
  if (opt.scenario == "targeted") {
    size_t base = targets.size();
    for (int f = 0; f < opt.fan; f++) {
      uint32_t c;
      bool dup;
      do {
        c = (uint32_t)(rnd() % (u64)opt.n);
        dup = conns[c].st != READY;
        for (size_t q = base; q < targets.size(); q++) dup |= targets[q] == c;
      } while (dup);
      targets.push_back(c);
      conns[c].want++;
      conns[c].wantsum += seq;
      if (f) subs += ",";
      subs += "\"" + phid("USER", c, rnd() % (u64)opt.topics) + "\"";
    }
  } else subs = string("\"") + SHARED + "\"";
  left.push_back((uint32_t)fan);
  char head[256];
  snprintf(head, sizeof head, "{\"key\":\"%llu\",\"type\":\"notification\",\"uniqueID\":\"%llu.%llu\",\"subscribers\":[",
           (unsigned long long)(7000000000000000000ull + seq), (unsigned long long)seq, (unsigned long long)stamp);
  string body = string(head) + subs + "],\"pad\":\"";
  int pad = opt.size - (int)body.size() - 2;
  if (pad > 0) body.append((size_t)pad, 'x');
  body += "\"}";
  const Url& u = opt.admin[k % opt.admin.size()];
  string r = "POST " + admin_path() + " HTTP/1.1\r\nHost: " + u.host + ":" + std::to_string(u.port) +
             "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  b.t0 = now_ns();
  b.busy = true;
  published++;
  expected += fan;
  if (!first_pub) first_pub = b.t0;
  if (!send_all(b.fd, r.data(), r.size())) {
    pub_errors++;
    close(b.fd);
    b.fd = -1;
    b.busy = false;
  }
}
// Length of one whole HTTP response at the start of s; 0 = not yet, -1 = garbage.
static long http_len(const string& s, bool& close_after) {
  size_t e = s.find("\r\n\r\n");
  if (e == string::npos) return 0;
  string h = s.substr(0, e + 2);
  for (auto& ch : h) ch = (char)tolower(ch);
  if (h.compare(0, 5, "http/") != 0) return -1;
  close_after = h.find("\r\nconnection: close") != string::npos;
  size_t b = e + 4, p;
  if (h.find("\r\ntransfer-encoding: chunked") != string::npos) {
    for (;;) {
      size_t l = s.find("\r\n", b);
      if (l == string::npos) return 0;
      size_t c = strtoul(s.c_str() + b, nullptr, 16);
      if (s.size() < l + 2 + c + 2) return 0;
      b = l + 2 + c + 2;
      if (!c) return (long)b;
    }
  }
  if ((p = h.find("\r\ncontent-length:")) != string::npos) {
    size_t c = strtoul(h.c_str() + p + 17, nullptr, 10);
    return s.size() < b + c ? 0 : (long)(b + c);
  }
  return (long)b;
}
static void pub_event(int k) {
  Pub& b = pubs[k];
  if (b.fd < 0) return;
  char t[16384];
  ssize_t n = recv(b.fd, t, sizeof t, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  bool cl = n <= 0;
  if (n > 0) b.in.append(t, (size_t)n);
  while (b.busy && !b.in.empty()) {
    bool ca = false;
    long l = http_len(b.in, ca);
    if (l == 0) break;
    if (l < 0) {
      cl = true;
      break;
    }
    int code = atoi(b.in.c_str() + 9);
    b.in.erase(0, (size_t)l);
    if (code >= 100 && code < 200) continue;
    b.busy = false;
    if (code >= 200 && code < 300) acked++;
    else pub_errors++;
    u64 now = now_ns();
    h_pub.add(now - b.t0);
    last_progress = now;
    cl |= ca;
  }
  if (cl) {
    if (b.busy) pub_errors++;
    b.busy = false;
    close(b.fd);
    b.fd = -1;
  }
}

static void step(u64 max_wait_ns) {
  static epoll_event ev[2048];
  if (opt.nap_us && measuring) sleep_ns((u64)opt.nap_us * 1000);
  timespec ts{(time_t)(max_wait_ns / 1000000000ull), (long)(max_wait_ns % 1000000000ull)};
  int n = epoll_pwait2(ep, ev, 2048, &ts, nullptr);
  u64 r0 = received;
  for (int i = 0; i < n; i++) {
    u64 d = ev[i].data.u64;
    if (d & T_PUB) pub_event((int)(d & 0xFFFFFFFF));
    else client_event((int)(d & 0xFFFFFFFF), ev[i].events);
  }
  if (received != r0) last_progress = last_recv;
}

static double connect_all() {  // returns seconds
  u64 t = now_ns(), end = t + (u64)(opt.connect_timeout * 1e9);
  next_open = 0;
  opened = 0;
  inflight_connects = 0;
  long failed0 = failed;
  while (opened + (failed - failed0) < opt.n && now_ns() < end) {
    while (next_open < opt.n && inflight_connects < opt.conc) open_conn((int)next_open++);
    step(100000000);
  }
  double s = (double)(now_ns() - t) / 1e9;
  for (int i = 0; i < opt.n; i++)
    if (conns[i].st != READY && conns[i].st != DEAD) conn_failed(i, "not ready in time", 0);
  return s;
}
static void close_all() {  // close frame, wait for the answer (bounded), close
  for (int i = 0; i < opt.n; i++) {
    if (conns[i].st != READY) continue;
    send_close(i);
    if (conns[i].slow) close_conn(i, DEAD);
    if (i % 64 == 63) step(0);
  }
  u64 end = now_ns() + 5000000000ull;
  for (;;) {
    long open = 0;
    for (int i = 0; i < opt.n; i++) open += conns[i].fd >= 0;
    if (!open || now_ns() > end) break;
    step(20000000);
  }
  for (int i = 0; i < opt.n; i++)
    if (conns[i].fd >= 0) close_conn(i, DEAD);
}
static void run_for(double s) {
  u64 end = now_ns() + (u64)(s * 1e9), n;
  while ((n = now_ns()) < end) step(std::min<u64>(end - n, 50000000));
}
static string get_status() {
  const Url& u = opt.admin[0];
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval tv{2, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  if (connect(fd, (const sockaddr*)&u.addr, sizeof u.addr) < 0) {
    close(fd);
    return "null";
  }
  string r = "GET /status/" + (opt.instance.empty() ? string() : "?instance=" + opt.instance) + " HTTP/1.1\r\nHost: " + u.host + "\r\nConnection: close\r\n\r\n";
  send_all(fd, r.data(), r.size());
  string s;
  char b[4096];
  ssize_t n;
  while ((n = recv(fd, b, sizeof b, 0)) > 0) s.append(b, (size_t)n);
  close(fd);
  size_t a = s.find('{'), z = s.rfind('}');
  return a == string::npos || z == string::npos || z < a ? "null" : s.substr(a, z - a + 1);
}

static string out;
static string format(const char* fmt, va_list ap) {  // never truncates
  va_list cp;
  va_copy(cp, ap);
  int n = vsnprintf(nullptr, 0, fmt, cp);
  va_end(cp);
  string s((size_t)n + 1, 0);
  vsnprintf(&s[0], s.size(), fmt, ap);
  s.pop_back();
  return s;
}
__attribute__((format(printf, 1, 2))) static string str(const char* fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  string s = format(fmt, ap);
  va_end(ap);
  return s;
}
__attribute__((format(printf, 1, 2))) static void put(const char* fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  out += format(fmt, ap);
  va_end(ap);
}

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  bool gave_rate = false;
  for (int i = 1; i < argc; i++) {
    string a = argv[i];
    auto v = [&]() -> string {
      if (i + 1 >= argc) die("%s needs a value", a.c_str());
      return argv[++i];
    };
    if (a == "--client-url") opt.client.push_back(parse_url(v()));
    else if (a == "--admin-url") opt.admin.push_back(parse_url(v()));
    else if (a == "--scenario") opt.scenario = v();
    else if (a == "--label") opt.label = v();
    else if (a == "--instance") opt.instance = v();
    else if (a == "--proto") opt.proto = v();
    else if (a == "--server-pid") {
      string s = v();
      for (char* t = strtok(&s[0], ","); t; t = strtok(nullptr, ",")) opt.pids.push_back(atoi(t));
    } else if (a == "-n") opt.n = atoi(v().c_str());
    else if (a == "--messages") opt.messages = atol(v().c_str());
    else if (a == "--duration") opt.duration = atof(v().c_str());
    else if (a == "--rate") opt.rate = atof(v().c_str()), gave_rate = true;
    else if (a == "--window") opt.window = atoi(v().c_str());
    else if (a == "--backlog") opt.backlog = atof(v().c_str());
    else if (a == "--size") opt.size = atoi(v().c_str());
    else if (a == "--topics") opt.topics = atoi(v().c_str());
    else if (a == "--fan") opt.fan = atoi(v().c_str());
    else if (a == "--concurrency") opt.conc = atoi(v().c_str());
    else if (a == "--slow") opt.slow = atoi(v().c_str());
    else if (a == "--sources") opt.sources = atoi(v().c_str());
    else if (a == "--rounds") opt.rounds = atoi(v().c_str());
    else if (a == "--hold") opt.hold = atof(v().c_str());
    else if (a == "--settle") opt.settle = atof(v().c_str());
    else if (a == "--stall") opt.stall = atof(v().c_str());
    else if (a == "--after-close") opt.after_close = atof(v().c_str());
    else if (a == "--connect-timeout") opt.connect_timeout = atof(v().c_str());
    else if (a == "--nap-us") opt.nap_us = atoi(v().c_str());
    else if (a == "--header") opt.headers.push_back(v());
    else if (a == "--status") opt.status = true;
    else if (a == "--verbose") opt.verbose = true;
    else usage();
  }
  const string& S = opt.scenario;
  if (opt.client.empty()) usage();
  if (S != "broadcast" && S != "targeted" && S != "idle" && S != "churn" && S != "paced" && S != "slow") usage();
  bool publishes = S == "broadcast" || S == "targeted" || S == "paced" || S == "slow";
  if (publishes && opt.admin.empty()) die("%s needs --admin-url", S.c_str());
  if (S == "paced" && !gave_rate) opt.rate = 50;
  if (S == "churn") opt.n = opt.conc;
  if (S == "targeted" && opt.n < opt.fan) die("too few listeners");
  if (opt.window < 1 || opt.n < 1 || opt.fan < 1 || opt.topics < 1) usage();
  if (opt.duration > 600 || opt.n > 200000) die("over the bounds of this tool");
  if (!opt.sources) opt.sources = S == "churn" ? 16 : std::max(1, (opt.n + 24999) / 25000);

  rlimit rl;
  getrlimit(RLIMIT_NOFILE, &rl);
  rl.rlim_cur = rl.rlim_max;
  setrlimit(RLIMIT_NOFILE, &rl);
  if ((u64)opt.n + 64 + (u64)opt.window > rl.rlim_cur) die("%d connections need more than %llu file descriptors", opt.n, (unsigned long long)rl.rlim_cur);

  timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  rng_state ^= (u64)wall.tv_nsec;
  unsigned char kb[16];
  for (auto& x : kb) x = (unsigned char)rnd();
  ws_key = b64(kb, 16);
  unsigned char dg[20];
  sha1(ws_key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", dg);
  ws_accept = b64(dg, 20);

  ep = epoll_create1(EPOLL_CLOEXEC);
  conns.resize((size_t)opt.n);
  pubs.resize((size_t)opt.window);
  if (S == "slow")
    for (int i = 0; i < opt.slow && i < opt.n; i++) conns[i].slow = true;

  Usage u_start = usage_of(opt.pids, true);
  double t_connect = 0;
  put("{\"label\":\"%s\",\"scenario\":\"%s\",\"n\":%d,\"time\":%ld", opt.label.c_str(), S.c_str(), opt.n, (long)wall.tv_sec);

  // ------------------------------------------------------------------ churn
  if (S == "churn") {
    Machine m0 = machine();
    double c0 = self_cpu();
    u64 t = now_ns(), end = t + (u64)(opt.duration * 1e9);
    last_progress = t;
    while (now_ns() < end && now_ns() - last_progress < (u64)(opt.stall * 1e9) && churn_failed < 1000) {
      for (int i = 0; i < opt.n; i++)
        if (conns[i].st == FREE || conns[i].st == DEAD) open_conn(i);
      step(5000000);
    }
    double s = (double)(now_ns() - t) / 1e9;
    Usage u1 = usage_of(opt.pids, true);
    Machine m1 = machine();
    double c1 = self_cpu();
    long done = churn_done;
    u64 e2 = now_ns() + 1000000000ull;
    churn_stop = true;
    while (now_ns() < e2) step(50000000);
    for (int i = 0; i < opt.n; i++)
      if (conns[i].fd >= 0) close_conn(i, DEAD);
    sleep_ns((u64)(opt.after_close * 1e9));
    Usage u2 = usage_of(opt.pids, true);
    put(",\"seconds\":%.3f,\"cycles\":%ld,\"failed\":%ld,\"connects_per_s\":%.1f,\"connect_ms\":%s", s, done, churn_failed, (double)done / s, h_conn.json().c_str());
    put(",\"server_cpu_s\":%.2f,\"server_cpu_s_per_10k_connects\":%.3f", u1.cpu - u_start.cpu, done ? (u1.cpu - u_start.cpu) / (double)done * 1e4 : 0);
    put(",\"rss_start\":%.0f,\"rss_end\":%.0f,\"rss_after\":%.0f", u_start.rss, u1.rss, u2.rss);
    put(",\"loadgen_cpu_share\":%.3f,\"server_cpu_share\":%.3f,\"other_cpu_share\":%.3f", (c1 - c0) / s, (u1.cpu - u_start.cpu) / s,
        ((m1.user - m0.user) + (m1.sys - m0.sys) + (m1.irq - m0.irq) + (m1.soft - m0.soft) - (c1 - c0) - (u1.cpu - u_start.cpu)) / s);
    if (opt.status && !opt.admin.empty()) put(",\"status\":%s", get_status().c_str());
    put("}\n");
    fputs(out.c_str(), stdout);
    return churn_failed || !done ? 1 : 0;
  }

  // ---------------------------------------------------------------- connect
  Usage u_conn;
  string rounds;
  for (int r = 0; r < (S == "idle" ? opt.rounds : 1); r++) {
    if (r) {
      for (auto& c : conns) c = Conn();
    }
    Usage a = usage_of(opt.pids, true);
    double t = connect_all();
    if (!r) t_connect = t;
    run_for(opt.settle + opt.hold);
    u_conn = usage_of(opt.pids, true);
    if (S == "idle") {
      long op = opened;
      string st = opt.status && !opt.admin.empty() ? get_status() : "null";
      close_all();
      run_for(opt.after_close);
      Usage b = usage_of(opt.pids, true);
      rounds += str(
               "%s{\"opened\":%ld,\"connect_s\":%.3f,\"connect_cpu_s\":%.2f,\"rss_before\":%.0f,\"rss_open\":%.0f,\"rss_closed\":%.0f,\"pss_before\":%.0f,\"pss_open\":%.0f,\"pss_closed\":%.0f,\"bytes_per_conn_rss\":%.0f,\"bytes_per_conn_pss\":%.0f,\"status_open\":%s,\"status_closed\":%s}",
               r ? "," : "", op, t, u_conn.cpu - a.cpu, a.rss, u_conn.rss, b.rss, a.pss, u_conn.pss, b.pss, op ? (u_conn.rss - u_start.rss) / (double)op : 0,
               op ? (u_conn.pss - u_start.pss) / (double)op : 0, st.c_str(), opt.status && !opt.admin.empty() ? get_status().c_str() : "null");
      if (!r) {
        put(",\"bytes_per_conn_rss\":%.0f,\"bytes_per_conn_pss\":%.0f", op ? (u_conn.rss - u_start.rss) / (double)op : 0, op ? (u_conn.pss - u_start.pss) / (double)op : 0);
      }
      opened = op;
    }
  }
  put(",\"opened\":%ld,\"failed\":%ld,\"connect_s\":%.3f,\"connect_ms\":%s", opened, failed, t_connect, h_conn.json().c_str());
  put(",\"server_procs\":%d,\"server_threads\":%d,\"rss_start\":%.0f,\"rss_connected\":%.0f,\"pss_start\":%.0f,\"pss_connected\":%.0f", u_conn.procs, u_conn.threads, u_start.rss,
      u_conn.rss, u_start.pss, u_conn.pss);
  if (S == "idle") {
    put(",\"rounds\":[%s]}\n", rounds.c_str());
    fputs(out.c_str(), stdout);
    return failed ? 1 : 0;
  }
  if (opened <= (S == "slow" ? opt.slow : 0)) {
    put(",\"error\":\"no listeners\"}\n");
    fputs(out.c_str(), stdout);
    return 1;
  }

  // ---------------------------------------------------------------- publish
  string status0 = opt.status ? get_status() : "null";
  for (int k = 0; k < opt.window; k++)
    if (!pub_connect(k)) die("cannot connect to the admin URL");
  left.reserve((size_t)std::min<long>(opt.messages, 1 << 22));
  measuring = true;
  Usage u0 = usage_of(opt.pids, false);
  double first0 = opt.pids.empty() ? 0 : proc_cpu(opt.pids[0]);
  Machine m0 = machine();
  double c0 = self_cpu();
  u64 t0 = now_ns(), pub_end = t0 + (u64)(opt.duration * 1e9);
  last_progress = t0;
  double rss_peak = 0;
  u64 next_sample = t0;
  u64 due_step = opt.rate > 0 ? (u64)(1e9 / opt.rate) : 0;
  u64 hard_end = pub_end + (u64)(opt.stall * 1e9) + 60000000000ull;
  u64 quarter_start = 0;  // of the last quarter, and what was published by then
  long quarter_published = 0;
  bool stalled = false;
  for (;;) {
    u64 t = now_ns(), wait = 100000000;
    if (!quarter_start && t >= t0 + (pub_end - t0) / 4 * 3) quarter_start = t, quarter_published = published;
    if (opt.rate > 0) {
      while (published < opt.messages && t < pub_end) {
        u64 due = t0 + (u64)published * due_step;
        if (due > t) {
          wait = std::min<u64>(wait, due - t);
          break;
        }
        int k = -1;
        for (int j = 0; j < opt.window; j++)
          if (!pubs[j].busy) k = j;
        if (k < 0) break;       // all busy: the next answer wakes us
        publish(k, due);        // stamped with the time at which it was due
      }
    } else {
      for (int j = 0; j < opt.window && published < opt.messages && t < pub_end; j++) {
        if (pubs[j].busy) continue;
        // In a cluster the nearest listeners run ahead: only what all have got counts as arrived.
        if (opt.backlog > 0 && cluster() && (double)((u64)published - h_msg.n) > opt.backlog - 1) break;
        if (opt.backlog > 0 && (double)(expected - std::min(expected, received)) > (opt.backlog - 1) * (double)per_message()) break;
        publish(j, now_ns());
      }
    }
    bool all_out = published >= opt.messages || t >= pub_end;
    bool busy = false;
    for (auto& b : pubs) busy |= b.busy;
    if (all_out && !busy && received >= expected) break;
    if (t - last_progress > (u64)(opt.stall * 1e9) || t > hard_end) {
      stalled = true;
      break;
    }
    if (!all_out) wait = std::min<u64>(wait, pub_end - t);
    if (!opt.pids.empty() && t >= next_sample) {
      next_sample = t + 250000000;
      double r = 0;
      for (int pid : opt.pids) r += field_kb(slurp(("/proc/" + std::to_string(pid) + "/status").c_str()), "VmRSS:");
      rss_peak = std::max(rss_peak, r);
    }
    step(wait);
  }
  u64 t1 = std::max(last_recv, last_progress);
  double wall_s = (double)(now_ns() - t0) / 1e9;
  Usage u1 = usage_of(opt.pids, true);
  Machine m1 = machine();
  double c1 = self_cpu();
  double act = (double)(last_recv > first_pub ? last_recv - first_pub : 1) / 1e9;
  u64 before, settle_end = now_ns() + (u64)(opt.stall * 1e9);
  do {  // late duplicates? A cluster may have a queue of them.
    before = repeats;
    run_for(0.3);
  } while (repeats != before && now_ns() < settle_end);
  double settled_cpu = usage_of(opt.pids, false).cpu - u0.cpu;
  double first_cpu = opt.pids.empty() ? 0 : proc_cpu(opt.pids[0]) - first0;
  long bad = 0;
  u64 missing = 0, duplicated = repeats;  // by listener, so that one never hides the other
  for (int i = 0; i < opt.n; i++) {
    Conn& c = conns[i];
    if (c.slow || c.st == FREE) continue;
    u64 w = S == "targeted" ? c.want : (u64)published, ws = S == "targeted" ? c.wantsum : (u64)published * ((u64)published - 1) / 2;
    if (c.got != w || c.seqsum != ws) bad++;
    if (c.got < w) missing += w - c.got;
    else duplicated += c.got - w;
  }
  long slow_closed = 0;
  for (auto& c : conns) slow_closed += c.slow && c.st == DEAD;
  double scpu = u1.cpu - u0.cpu;
  (void)t1;
  put(",\"size\":%d,\"published\":%ld,\"acked\":%ld,\"pub_errors\":%ld,\"expected\":%llu,\"received\":%llu,\"lost\":%lld,\"missing\":%llu,\"duplicated\":%llu,\"misrouted\":%llu,\"unparsed\":%llu,\"bad_conns\":%ld,\"stalled\":%s",
      opt.size, published, acked, pub_errors, (unsigned long long)expected, (unsigned long long)received, (long long)expected - (long long)received,
      (unsigned long long)missing, (unsigned long long)duplicated, (unsigned long long)misrouted, (unsigned long long)unparsed, bad, stalled ? "true" : "false");
  put(",\"active_s\":%.3f,\"deliveries_per_s\":%.1f,\"messages_per_s\":%.1f,\"frames_per_recv\":%.2f,\"mb_per_s\":%.2f", act, (double)received / act, (double)published / act,
      recv_calls ? (double)received / (double)recv_calls : 0, (double)bytes_in / act / 1e6);
  // Only of a run that published to its end: a slowdown within the run shows here.
  if (quarter_start && quarter_start < pub_end && published < opt.messages)
    put(",\"messages_per_s_last_quarter\":%.1f", (double)(published - quarter_published) / ((double)(pub_end - quarter_start) / 1e9));
  put(",\"latency_ms\":%s", h_lat.json().c_str());
  if (cluster()) put(",\"remote_latency_ms\":%s", h_remote.json().c_str());
  put(",\"last_delivery_ms\":%s", h_msg.json().c_str());
  put(",\"publish_ms\":%s", h_pub.json().c_str());
  put(",\"server_cpu_s_settled\":%.2f,\"first_server_cpu_s\":%.2f", settled_cpu, first_cpu);
  put(",\"server_cpu_s\":%.2f,\"server_cpu_s_per_1m\":%.3f,\"server_cpu_share\":%.3f,\"loadgen_cpu_s\":%.2f,\"loadgen_cpu_share\":%.3f", scpu,
      received ? scpu / (double)received * 1e6 : 0, scpu / wall_s, c1 - c0, (c1 - c0) / wall_s);
  put(",\"machine\":{\"wall_s\":%.2f,\"user_s\":%.2f,\"sys_s\":%.2f,\"soft_s\":%.2f,\"idle_s\":%.2f,\"steal_s\":%.2f},\"other_cpu_share\":%.3f", wall_s, m1.user - m0.user, m1.sys - m0.sys,
      m1.soft - m0.soft, m1.idle - m0.idle, m1.steal - m0.steal,
      ((m1.user - m0.user) + (m1.sys - m0.sys) + (m1.irq - m0.irq) + (m1.soft - m0.soft) - (c1 - c0) - scpu) / wall_s);
  put(",\"rss_peak\":%.0f,\"rss_end\":%.0f", std::max(rss_peak, u1.rss), u1.rss);
  if (opt.status) put(",\"status_start\":%s,\"status_end\":%s", status0.c_str(), get_status().c_str());
  if (S == "slow") {
    // Does the server let go of the slow client's backlog once the client is gone?
    close_all();
    run_for(opt.after_close);
    Usage u2 = usage_of(opt.pids, true);
    put(",\"slow_closed_by_server\":%ld,\"rss_growth\":%.0f,\"rss_after_close\":%.0f", slow_closed, std::max(rss_peak, u1.rss) - u_conn.rss, u2.rss);
  }
  put("}\n");
  fputs(out.c_str(), stdout);
  return failed || received != expected || bad || duplicated || misrouted || pub_errors ? 1 : 0;
}
