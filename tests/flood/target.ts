/**
 * What the clients of every attack have in common: which of them a process is, and against what.
 *
 * @module
 */

import { connect as connectFrom, type Socket } from "node:net";

/** What is attacked, and with how much. */
export interface Target {
  readonly client: number;
  readonly admin: number;
  readonly peers: readonly number[];
  /** 1: the size that worked. */
  readonly scale: number;
  /** Which part of the attack this process is, from 0 on, of how many. */
  readonly part: number;
  readonly parts: number;
}

/** The numbers of the clients that this part is, of as many as there are at a scale of 1. */
export function share({ scale, part, parts }: Target, count: number): number[] {
  const all = Array.from({ length: Math.max(1, Math.round(count * scale)) }, (_, index) => index);
  return all.filter((index) => index % parts === part);
}

/** Connects from one of this host's other addresses, which `Deno.connect` does not offer. */
export function connectedFrom(localAddress: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectFrom({ host: "127.0.0.1", port, localAddress });
    socket.once("connect", () => {
      socket.on("data", () => {});
      resolve(socket);
    });
    socket.on("error", reject);
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
