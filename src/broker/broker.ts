import type { Service } from '../lifecycle.ts'

/**
 * The broker port, in NSQ's words and with NSQ's promises: at-least-once, unordered, bounded, and
 * forgetful when killed. Callers see topics, channels, attempts, finish and requeue; connections,
 * reconnecting and deadlines are hidden.
 */
export interface Broker extends Service {
  /**
   * Hands all bodies to the topic in one go. Resolves when the broker has queued them, which is not
   * durable. Bodies are 1 byte to `messageBytesMax`.
   * @throws BrokerUnavailableError when there is no answer: whether they were queued is unknown.
   */
  publish(topic: string, bodies: readonly Buffer[]): Promise<void>
  /**
   * Makes topic and channel if missing. A channel gets nothing published before it was made.
   * @throws BrokerUnavailableError
   */
  createChannel(topic: string, channel: string): Promise<void>
  /** Stops creating the topic's channels again after an outage of the broker. */
  forgetTopic(topic: string): void
  /**
   * Deletes the topic with its channels and queued messages. Deleting a missing one does nothing.
   */
  deleteTopic(topic: string): Promise<void>
  /** Starts receiving; reconnects for ever until closed. */
  subscribe(options: SubscribeOptions): Subscription
  /**
   * Returns how many messages are queued or in flight for a channel; undefined while that is
   * unknown.
   */
  depth(topic: string, channel: string): Promise<number | undefined>
  /** Tells whether publishing is expected to work now, and the reason if not. */
  status(): BrokerStatus
}

export interface SubscribeOptions {
  readonly topic: string
  readonly channel: string
  /** The maximum of messages delivered and not finished yet. */
  readonly inFlightMax: number
  /**
   * Called once per message. The receiver must finish or requeue it; one that throws or does
   * neither sees the message again after the broker's timeout.
   */
  readonly onMessage: (message: Message) => void
}

export interface Message {
  readonly body: Buffer
  /** 1 on the first delivery. */
  readonly attempts: number
  /** Tells the broker that the message is done. A second or late call does nothing. */
  finish(): void
  /** Asks for another delivery after `delayMs`, with `attempts` one higher. */
  requeue(delayMs: number): void
  /** Asks for more time before the broker's timeout. */
  touch(): void
}

export interface Subscription {
  /** Tells whether messages can arrive now. A standby is not connected. */
  connected(): boolean
  /** Tells whether another consumer has the channel, so that no message arrives here. */
  isStandby(): boolean
  /** Stops receiving and waits until all messages are finished or `drainTimeoutMs` has passed. */
  close(): Promise<void>
}

export type BrokerStatus =
  { readonly ready: true } | { readonly ready: false; readonly reason: string }

/** Thrown without an answer of the broker: the action may or may not have happened. */
export class BrokerUnavailableError extends Error {
  override readonly name = 'BrokerUnavailableError'
}

/** nsqd closes the whole connection on a larger one, failing every pending publish. */
export const messageBytesMax = 1024 * 1024

const namePattern = /^[.a-zA-Z0-9_-]+(#ephemeral)?$/
const nameLengthMax = 64

/**
 * Checks a topic or channel name. nsqjs does not, and a newline in a name injects protocol commands.
 * @throws RangeError
 */
export function assertName(name: string): void {
  if (name.length > nameLengthMax || !namePattern.test(name)) {
    throw new RangeError(`not a topic or channel name: ${JSON.stringify(name.slice(0, 80))}`)
  }
}

/**
 * Checks the size of a message.
 * @throws RangeError on an empty or oversized message.
 */
export function assertBody(body: Buffer): void {
  if (body.length === 0 || body.length > messageBytesMax) {
    throw new RangeError(`message of ${body.length} bytes; 1 to ${messageBytesMax} are possible`)
  }
}
