<?php

/**
 * Posts messages with PHP's curl, and with the options that Phorge's HTTP client sets: HTTP/1.1, a limit
 * of 2 s, no "Expect", gzip accepted, no redirect followed, and handles that are used again. Prints what
 * became of each request as a line of JSON.
 *
 * Usage: phorge.php ADMIN-URL CLIENT-URL [FILE-OF-AUTHORITIES]
 */

declare(strict_types=1);

const TIMEOUT_MS = 2000;

/** The sizes of the bodies in bytes. */
const SIZES = [300, 2_000, 100_000, 900_000];

/** A body that is longer than the service takes: of this size curl asks first, with "Expect". */
const OVERSIZE = 1_200_000;

/** The connections of one request of PHP to Phorge; curl keeps them with the multi handle. */
final class Client {
  private CurlMultiHandle $multi;
  private ?CurlHandle $idle = null;

  public function __construct(private string $authorities) {
    $this->multi = curl_multi_init();
  }

  /** Makes a request with the handle of the last one, and prints its outcome. */
  public function request(string $name, string $url, array $options): void {
    $curl = $this->idle ?? curl_init();
    curl_setopt_array($curl, $options + [
      CURLOPT_URL => $url,
      CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
      CURLOPT_HEADER => true,
      CURLOPT_RETURNTRANSFER => true,
      CURLOPT_TIMEOUT_MS => TIMEOUT_MS,
      CURLOPT_CAINFO => $this->authorities,
      CURLOPT_SSL_VERIFYPEER => 1,
      CURLOPT_SSL_VERIFYHOST => 2,
      CURLOPT_HTTP_VERSION => CURL_HTTP_VERSION_1_1,
    ]);
    curl_multi_add_handle($this->multi, $curl);
    do {
      curl_multi_exec($this->multi, $active);
      if ($active) {
        curl_multi_select($this->multi, 0.01);
      }
    } while ($active);
    $done = curl_multi_info_read($this->multi);
    $answer = (string)curl_multi_getcontent($curl);
    curl_multi_remove_handle($this->multi, $curl);
    $this->idle = $curl;
    echo json_encode([
      'name' => $name,
      'error' => curl_strerror($done['result']),
      'status' => curl_getinfo($curl, CURLINFO_RESPONSE_CODE),
      'body' => substr($answer, curl_getinfo($curl, CURLINFO_HEADER_SIZE)),
      'connects' => curl_getinfo($curl, CURLINFO_NUM_CONNECTS),
      'ms' => round(1000 * curl_getinfo($curl, CURLINFO_TOTAL_TIME)),
    ], JSON_THROW_ON_ERROR), "\n";
  }

  public function post(
    string $name,
    string $url,
    int $size,
    int $version = CURL_HTTP_VERSION_1_1,
    ?string $expect = 'Expect:'): void {
    $headers = array_filter([$expect, 'Accept-Encoding: gzip']);
    $this->request($name, $url, [
      CURLOPT_POSTFIELDS => message($name, $size),
      CURLOPT_CUSTOMREQUEST => 'POST',
      CURLOPT_HTTPHEADER => $headers,
      CURLOPT_HTTP_VERSION => $version,
    ]);
  }
}

/** A message whose JSON has that many bytes. */
function message(string $name, int $size): string {
  $message = ['type' => 'notification', 'subscribers' => ['A'], 'name' => $name, 'filler' => ''];
  $message['filler'] = str_repeat('x', $size - strlen(json_encode($message)));
  return json_encode($message);
}

[, $admin, $page] = $argv;
$authorities = $argv[3] ?? '/dev/null';

$kept = new Client($authorities);
foreach (SIZES as $size) {
  $kept->post("kept {$size}", $admin, $size);
}
foreach (SIZES as $size) {
  (new Client($authorities))->post("fresh {$size}", $admin, $size);
}
foreach (SIZES as $size) {
  $kept->post("asked {$size}", $admin, $size, expect: 'Expect: 100-continue');
}
foreach (SIZES as $size) {
  (new Client($authorities))->post("1.0 {$size}", $admin, $size, CURL_HTTP_VERSION_1_0);
}
$kept->post('oversize', $admin, OVERSIZE, expect: null);
$kept->post('last', $admin, SIZES[0]);

// The setup check of Phorge asks both servers.
(new Client($authorities))->request('client check', $page, [CURLOPT_HTTPHEADER => ['Expect:']]);
(new Client($authorities))->request('admin check', "{$admin}status/", [
  CURLOPT_HTTPHEADER => ['Expect:', 'Accept-Encoding: gzip'],
]);
