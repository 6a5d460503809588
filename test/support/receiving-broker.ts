import type { Message, SubscribeOptions, Subscription } from '../../src/broker/broker.ts'
import { createStubBroker, type StubBroker } from './stub-broker.ts'

/** A stub broker that delivers messages of the test and records what was done with them. */
export interface ReceivingBroker extends StubBroker {
  /** Open subscriptions by `topic/channel`, in the order they were made. */
  readonly subscribed: ReadonlyMap<string, SubscribeOptions>
  readonly deleted: readonly string[]
  /** Sets the answer of `deleteTopic`. */
  answerDelete: () => Promise<void>
  /** Delivers a message to a subscription. Returns a list that records what was done with it. */
  hand(to: string, body: Buffer, attempts?: number): readonly string[]
}

export function createReceivingBroker(): ReceivingBroker {
  const subscribed = new Map<string, SubscribeOptions>()
  const deleted: string[] = []
  const broker: ReceivingBroker = Object.assign(createStubBroker(), {
    subscribed,
    deleted,
    answerDelete: () => Promise.resolve(),
    async deleteTopic(topic: string) {
      await broker.answerDelete()
      deleted.push(topic)
    },
    subscribe(options: SubscribeOptions): Subscription {
      const key = `${options.topic}/${options.channel}`
      subscribed.set(key, options)
      return {
        connected: () => subscribed.has(key),
        isStandby: () => false,
        close() {
          subscribed.delete(key)
          return Promise.resolve()
        },
      }
    },
    hand(to: string, body: Buffer, attempts = 1) {
      const notes: string[] = []
      const options = subscribed.get(to)
      if (options === undefined) throw new Error(`nobody receives ${to}`)
      options.onMessage(createMessage(body, (note) => notes.push(note), attempts))
      return notes
    },
  })
  return broker
}

export function createMessage(
  body: Buffer,
  note: (what: string) => unknown,
  attempts = 1,
): Message {
  return {
    body,
    attempts,
    finish: () => void note('finish'),
    requeue: (delayMs) => void note(`requeue ${delayMs}`),
    touch: () => void note('touch'),
  }
}
