/**
 * Bytes over a plain socket, for what no HTTP client would send.
 *
 * @module
 */

/**
 * Sends text and returns everything that comes back until the server closes the connection, or
 * until `until` matches what has come.
 */
export async function exchange(port: number, text: string, until?: RegExp): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  const decoder = new TextDecoder();
  let answer = "";
  for await (const chunk of connection.readable.values({ preventCancel: true })) {
    answer += decoder.decode(chunk, { stream: true });
    if (until?.test(answer)) break;
  }
  return answer;
}
