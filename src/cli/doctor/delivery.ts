/**
 * A test message that goes the whole way, and disturbs nobody.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import type { AdminServerConfig } from "../../config/config.ts";
import { TokenError } from "../../config/token.ts";
import { objectOf } from "../../json.ts";
import { RequestError } from "../../http/failure.ts";
import { endpointOf } from "../../probe/endpoint.ts";
import { compose, post } from "../send.ts";
import type { Subscriber } from "../../probe/subscriber.ts";

/**
 * Publishes a message for a random topic, and waits for it at a WebSocket.
 *
 * @returns The time from before the post to the arrival, in ms.
 * @throws {RequestError} If it does not arrive.
 */
export async function testDelivery(
  admin: AdminServerConfig,
  instance: string | undefined,
  subscriber: Subscriber,
): Promise<number> {
  const topic = `PHID-DOCTOR-${randomBytes(9).toString("hex")}`;
  const message = compose('{"type":"doctor"}', [topic]);
  subscriber.command("subscribe", [topic]);
  subscriber.command("ping");
  // The answer tells that the subscription before it has been handled.
  await subscriber.until((text) => text === null);
  const began = performance.now();
  const arrival = subscriber.until(
    (text) => text !== null && objectOf(text)?.["uniqueID"] === message.uniqueID,
    new RequestError(
      "answer",
      `does not bring a message that ${endpointOf(admin).url} took`,
      "They may belong to different Aphlicts that are no peers: compare the addresses in the " +
        "configuration, in Phorge and in the proxy.",
    ),
  );
  // If the post fails, the arrival is not awaited.
  arrival.catch(() => {});
  await publish(admin, instance, message);
  await arrival;
  return performance.now() - began;
}

async function publish(
  admin: AdminServerConfig,
  instance: string | undefined,
  message: ReturnType<typeof compose>,
): Promise<void> {
  try {
    await post(admin, instance, message);
  } catch (error) {
    if (error instanceof TokenError) {
      throw new RequestError("answer", `gets no message: ${error.message}`);
    }
    if (!(error instanceof RequestError)) throw error;
    throw new RequestError(
      error.stage,
      `gets no message: ${endpointOf(admin).url} ${error.message}`,
      error.hint,
    );
  }
}
