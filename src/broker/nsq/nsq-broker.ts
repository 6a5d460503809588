import type { Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import {
  assertBody,
  assertName,
  BrokerUnavailableError,
  type Broker,
  type SubscribeOptions,
  type Subscription,
} from '../broker.ts'
import { parseAddress } from './address.ts'
import { createNsqChannels } from './channels.ts'
import { createNsqdHttp, type NsqdHttp, type TopicStats } from './http.ts'
import { createTopicLookup } from './lookup.ts'
import { openNsqSubscription } from './subscription.ts'
import { createNsqWriter } from './writer.ts'

/**
 * The broker port over nsqd, through nsqjs. writer.ts chooses the nsqd to publish to, link.ts is
 * one connection and outbox.ts holds unanswered messages; subscription.ts chooses the nsqds to read
 * from and reader.ts is one connection; channels.ts creates topics and channels over http.ts.
 */

export interface NsqBrokerOptions {
  /** The nsqds as host:port. Publishing stays with the first that can be reached. */
  readonly tcpAddresses: readonly string[]
  /** The HTTP addresses of the same nsqds in the same order, host:port. */
  readonly httpAddresses: readonly string[]
  /** The nsqlookupds; with them subscriptions find further nsqds. */
  readonly lookupdHttpAddresses: readonly string[]
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /**
   * A message that is not finished in this time is delivered again. At most nsqd's
   * --max-msg-timeout.
   */
  readonly messageTimeoutMs?: number
  readonly publishTimeoutMs?: number
  readonly drainTimeoutMs?: number
  /** The maximum of messages published and not answered. */
  readonly openMessagesMax?: number
}

const defaults = {
  messageTimeoutMs: 10_000,
  publishTimeoutMs: 1_000,
  drainTimeoutMs: 5_000,
  openMessagesMax: 9_999,
} as const

const locateEveryMs = 1_000
const statsCachedMs = 200

/**
 * Makes the NSQ broker. `start` succeeds without nsqd after a first try; from then on it tries
 * again and `status` tells the result.
 */
export function createNsqBroker(given: NsqBrokerOptions): Broker {
  const options = { ...defaults, ...given }
  assertAddresses(options)
  const { clock, logger, tcpAddresses } = options
  const nsqds = options.httpAddresses.map(createNsqdHttp)
  const channels = createNsqChannels(nsqds, () => writer.position())
  const readDepths = createDepthReader(nsqds, clock)
  const subscriptions = new Set<Subscription>()
  const usesLookup = options.lookupdHttpAddresses.length > 0
  const locate = createLocate(options)
  let stopping: Promise<void> | undefined
  const writer = createNsqWriter({
    ...options,
    addresses: tcpAddresses,
    prepare: (position) => channels.ensure(position),
  })

  function subscribe(wanted: SubscribeOptions): Subscription {
    assertName(wanted.topic)
    assertName(wanted.channel)
    if (stopping !== undefined) throw new BrokerUnavailableError('stopped')
    const subscription = openNsqSubscription({
      ...options,
      ...wanted,
      locate,
      locateEveryMs: usesLookup ? locateEveryMs : undefined,
    })
    subscriptions.add(subscription)
    return {
      connected: () => subscription.connected(),
      isStandby: () => subscription.isStandby(),
      async close() {
        await subscription.close()
        subscriptions.delete(subscription)
      },
    }
  }

  async function stop(): Promise<void> {
    await Promise.all([...subscriptions].map((subscription) => subscription.close()))
    await writer.stop()
    logger.debug('nsq broker stopped')
  }

  return {
    name: 'nsq broker',
    start: () => writer.start(),
    stop() {
      stopping ??= stop()
      return stopping
    },
    async publish(topic, bodies) {
      assertName(topic)
      bodies.forEach(assertBody)
      if (bodies.length > 0) await writer.publish(topic, bodies)
    },
    async createChannel(topic, channel) {
      assertName(topic)
      assertName(channel)
      await channels.create(topic, channel)
    },
    forgetTopic: channels.forgetTopic,
    async deleteTopic(topic) {
      assertName(topic)
      await channels.deleteTopic(topic)
    },
    subscribe,
    depth: (topic, channel) => readDepth(readDepths(), topic, channel),
    status: () => writer.status(),
  }
}

function assertAddresses(options: NsqBrokerOptions): void {
  const { tcpAddresses, httpAddresses, lookupdHttpAddresses } = options
  if (tcpAddresses.length === 0 || tcpAddresses.length !== httpAddresses.length) {
    throw new RangeError('each nsqd needs a TCP and an HTTP address, in the same order')
  }
  for (const address of [...tcpAddresses, ...httpAddresses, ...lookupdHttpAddresses]) {
    parseAddress(address)
  }
}

/** The messages by topic and by topic and channel, over all nsqds that answered. */
interface Depths {
  /** True when any nsqd answered. */
  readonly isKnown: boolean
  readonly byName: ReadonlyMap<string, number>
}

/**
 * Reads the depths of all channels at once: callers that ask together share one answer per nsqd.
 */
function createDepthReader(nsqds: readonly NsqdHttp[], clock: Clock): () => Promise<Depths> {
  let answeredAt = -Infinity
  let answer: Promise<Depths> = Promise.resolve({ isKnown: false, byName: new Map() })
  let isAsking = false

  async function ask(): Promise<Depths> {
    const results = await Promise.allSettled(nsqds.map((nsqd) => nsqd.stats()))
    answeredAt = clock.monotonic()
    isAsking = false
    return addUp(results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])))
  }

  return () => {
    if (!isAsking && clock.monotonic() - answeredAt >= statsCachedMs) {
      isAsking = true
      answer = ask()
    }
    return answer
  }
}

function addUp(answers: readonly (readonly TopicStats[])[]): Depths {
  const byName = new Map<string, number>()
  const add = (name: string, depth: number): void => {
    byName.set(name, (byName.get(name) ?? 0) + depth)
  }
  for (const { topic, depth, channels } of answers.flat()) {
    add(topic, depth)
    for (const each of channels) add(`${topic}/${each.channel}`, each.depth)
  }
  return { isKnown: answers.length > 0, byName }
}

async function readDepth(
  depths: Promise<Depths>,
  topic: string,
  channel: string,
): Promise<number | undefined> {
  const { isKnown, byName } = await depths
  if (!isKnown) return undefined
  return (byName.get(topic) ?? 0) + (byName.get(`${topic}/${channel}`) ?? 0)
}

/**
 * The given nsqds are always asked, because a node's result topic is created by its own consumer.
 */
function createLocate({ tcpAddresses, lookupdHttpAddresses, clock }: NsqBrokerOptions) {
  const lookUp = createTopicLookup(lookupdHttpAddresses, clock)
  return async (topic: string): Promise<readonly string[]> => [
    ...new Set([...tcpAddresses, ...((await lookUp(topic)) ?? [])]),
  ]
}
