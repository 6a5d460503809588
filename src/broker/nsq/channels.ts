import { BrokerUnavailableError } from '../broker.ts'
import type { NsqdHttp } from './http.ts'

/**
 * The topics and channels on every nsqd. A channel gets no message that was published before it was
 * created, so all of them are created on an nsqd before it is published to.
 */

export interface NsqChannels {
  /**
   * Creates a channel on every nsqd.
   * @throws BrokerUnavailableError when the nsqd that is published to did not confirm.
   */
  create(topic: string, channel: string): Promise<void>
  /**
   * Deletes a topic on every nsqd.
   * @throws BrokerUnavailableError when the nsqd that is published to did not confirm.
   */
  deleteTopic(topic: string): Promise<void>
  /** Stops creating the topic's channels again; existing ones stay. */
  forgetTopic(topic: string): void
  /**
   * Creates all missing channels on one nsqd.
   * @throws BrokerUnavailableError
   */
  ensure(position: number): Promise<void>
}

/** Channels made at the same time after a reconnect. */
const createConcurrency = 8

/**
 * Makes the channels. `publishedTo` returns the position of the nsqd that is published to now, if
 * any.
 */
export function createNsqChannels(
  nsqds: readonly NsqdHttp[],
  publishedTo: () => number | undefined,
): NsqChannels {
  const channelsByTopic = new Map<string, Set<string>>()

  async function onEveryNsqd(action: (nsqd: NsqdHttp) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(nsqds.map(action))
    const position = publishedTo()
    const result = position === undefined ? undefined : results[position]
    if (result?.status === 'fulfilled') return
    throw new BrokerUnavailableError('no confirmation from the nsqd we publish to', {
      cause: result?.reason,
    })
  }

  return {
    async create(topic, channel) {
      // The channel is remembered before the request: when the answer is lost, the next connection
      // creates it.
      const channels = channelsByTopic.get(topic) ?? new Set()
      channelsByTopic.set(topic, channels.add(channel))
      await onEveryNsqd((nsqd) => nsqd.createChannel(topic, channel))
    },
    async deleteTopic(topic) {
      channelsByTopic.delete(topic)
      await onEveryNsqd((nsqd) => nsqd.deleteTopic(topic))
    },
    forgetTopic: (topic) => void channelsByTopic.delete(topic),
    async ensure(position) {
      const nsqd = nsqds[position]
      if (nsqd !== undefined) await createMissing(nsqd, channelsByTopic)
    },
  }
}

/**
 * Reads the existing channels and creates the missing ones; after a short disconnect there are
 * none.
 */
async function createMissing(
  nsqd: NsqdHttp,
  wanted: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<void> {
  const stats = await nsqd.stats()
  const existing = new Map(
    stats.map(({ topic, channels }) => [topic, new Set(channels.map(({ channel }) => channel))]),
  )
  const missing = [...wanted].flatMap(([topic, channels]) =>
    [...channels]
      .filter((channel) => existing.get(topic)?.has(channel) !== true)
      .map((channel) => ({ topic, channel })),
  )
  const workers = Array.from({ length: createConcurrency }, async () => {
    for (let one = missing.pop(); one !== undefined; one = missing.pop()) {
      await nsqd.createChannel(one.topic, one.channel)
    }
  })
  await Promise.all(workers)
}
