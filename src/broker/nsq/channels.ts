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

type NsqdRequest = (nsqd: NsqdHttp) => Promise<void>

/** The maximum of requests that wait for one nsqd in the background. */
const waitingMax = 1_000

/**
 * Sends requests to one nsqd one by one, without a caller that waits. After a failure it drops the
 * rest.
 */
function createBackgroundRequests(nsqd: NsqdHttp): { add(request: NsqdRequest): void } {
  let waiting: NsqdRequest[] = []
  let isRunning = false

  async function run(): Promise<void> {
    isRunning = true
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next(nsqd)
    } catch {
      waiting = []
    }
    isRunning = false
  }

  return {
    add(request) {
      if (waiting.length >= waitingMax) return
      waiting.push(request)
      if (!isRunning) void run()
    },
  }
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
  const inBackground = nsqds.map(createBackgroundRequests)

  /**
   * Waits only for the nsqd that is published to: when another one was silent, every channel took a
   * second. `ensure` repeats a failure at the others before the first publish there.
   */
  async function onEveryNsqd(action: NsqdRequest): Promise<void> {
    const position = publishedTo()
    for (const [other, requests] of inBackground.entries()) {
      if (other !== position) requests.add(action)
    }
    const nsqd = position === undefined ? undefined : nsqds[position]
    if (nsqd === undefined) throw new BrokerUnavailableError('no nsqd to publish to')
    try {
      await action(nsqd)
    } catch (error) {
      const cause = { cause: error }
      throw new BrokerUnavailableError('no confirmation from the nsqd we publish to', cause)
    }
    // The next nsqd may have been prepared before this was asked for.
    if (publishedTo() !== position)
      throw new BrokerUnavailableError('publishing moved to another nsqd')
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
