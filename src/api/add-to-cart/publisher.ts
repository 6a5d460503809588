import { createBatcher, type Batcher } from '../../batcher.ts'
import type { Broker } from '../../broker/broker.ts'

/** Publishes all messages of one tick of the event loop together: one MPUB per topic. */
export interface Publisher {
  /** Publishes a message. `failed` is called when the broker did not confirm it. */
  publish(topic: string, body: Buffer, failed: (error: unknown) => void): void
}

const batchSizeMax = 1_000

interface Entry {
  readonly topic: string
  readonly body: Buffer
  readonly failed: (error: unknown) => void
}

export function createPublisher(broker: Broker, defer: (task: () => void) => void): Publisher {
  const batcher: Batcher<Entry> = createBatcher({ run: publishBatch, batchSizeMax, defer })

  function publishBatch(batch: readonly Entry[]): Promise<void> {
    const byTopic = new Map<string, Entry[]>()
    for (const entry of batch) {
      const entries = byTopic.get(entry.topic)
      if (entries === undefined) byTopic.set(entry.topic, [entry])
      else entries.push(entry)
    }
    for (const [topic, entries] of byTopic) void publishTogether(topic, entries)
    // The batch of the next tick is sent without waiting for the broker's answer to this one.
    return Promise.resolve()
  }

  async function publishTogether(topic: string, entries: readonly Entry[]): Promise<void> {
    try {
      await broker.publish(
        topic,
        entries.map(({ body }) => body),
      )
    } catch (error) {
      for (const { failed } of entries) failed(error)
    }
  }

  return {
    publish(topic, body, failed) {
      batcher.add({ topic, body, failed })
    },
  }
}
