import { BrokerUnavailableError } from '../broker.ts'
import type { NsqLink } from './link.ts'

/**
 * The messages that are published and not yet answered. Their number is bounded, and they are cut
 * into commands that nsqd accepts.
 */

export interface NsqOutbox {
  /** @throws BrokerUnavailableError when full or without an answer in time */
  send(link: NsqLink, topic: string, bodies: readonly Buffer[]): Promise<void>
  /** Resolves when nothing waits for an answer. */
  idle(): Promise<void>
}

export interface NsqOutboxOptions {
  readonly publishTimeoutMs: number
  /** nsqjs shifts an array per answer; 10,000 open ones are the end of cheap. */
  readonly openMessagesMax: number
}

const chunkMessagesMax = 1_000
/** nsqd's --max-body-size is 5 MiB. */
const chunkBytesMax = 4 * 1024 * 1024
/** Each message of an MPUB is preceded by its size. */
const sizeBytes = 4

export function createNsqOutbox(options: NsqOutboxOptions): NsqOutbox {
  let openMessages = 0
  let whenIdle: () => void = () => undefined

  async function sendChunk(link: NsqLink, topic: string, bodies: Buffer[]): Promise<void> {
    openMessages += bodies.length
    try {
      await link.publish(topic, bodies, options.publishTimeoutMs)
    } finally {
      openMessages -= bodies.length
      if (openMessages === 0) whenIdle()
    }
  }

  return {
    async send(link, topic, bodies) {
      if (openMessages + bodies.length > options.openMessagesMax) {
        throw new BrokerUnavailableError(`${openMessages} messages wait for nsqd's answer`)
      }
      if (fitsOneChunk(bodies)) return sendChunk(link, topic, bodies.slice())
      await Promise.all(chunks(bodies).map((chunk) => sendChunk(link, topic, chunk)))
    },
    idle() {
      return new Promise((resolve) => {
        whenIdle = resolve
        if (openMessages === 0) resolve()
      })
    },
  }
}

function fitsOneChunk(bodies: readonly Buffer[]): boolean {
  if (bodies.length > chunkMessagesMax) return false
  let bytes = 0
  for (const body of bodies) bytes += body.length + sizeBytes
  return bytes <= chunkBytesMax
}

function chunks(bodies: readonly Buffer[]): Buffer[][] {
  const made: Buffer[][] = []
  let chunk: Buffer[] = []
  let bytes = 0
  for (const body of bodies) {
    if (chunk.length === chunkMessagesMax || bytes + body.length + sizeBytes > chunkBytesMax) {
      made.push(chunk)
      chunk = []
      bytes = 0
    }
    chunk.push(body)
    bytes += body.length + sizeBytes
  }
  made.push(chunk)
  return made
}
