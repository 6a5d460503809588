import { createHash } from 'node:crypto'
import type { NsqProcess } from '../../scripts/nsqd-process.ts'
import { createNsqBroker } from '../../src/broker/nsq/nsq-broker.ts'
import { systemClock } from '../../src/clock.ts'
import { createLogger } from '../../src/logger.ts'
import { until } from './until.ts'
import { testRandom } from './seed.ts'

/**
 * Publishes every message of a topic twice more, as first deliveries and in another order, as nsqd
 * may do after a kill.
 */
export interface Copier {
  /** Returns how many messages were copied. */
  copied(): number
  /** Publishes all copied messages once more. */
  replayAll(): Promise<void>
  /** Tells whether all channels of the topic have handled every message. */
  drained(): Promise<boolean>
  stop(): Promise<void>
}

const copierChannel = 'copier'

export async function startCopier(nsqd: NsqProcess, topic: string): Promise<Copier> {
  const broker = createNsqBroker({
    tcpAddresses: [nsqd.tcpAddress],
    httpAddresses: [nsqd.httpAddress],
    lookupdHttpAddresses: [],
    clock: systemClock,
    logger: createLogger('silent', {}),
    random: testRandom(),
  })
  const seen = new Map<string, Buffer>()
  await broker.start()
  const subscription = broker.subscribe({
    topic,
    channel: copierChannel,
    inFlightMax: 500,
    onMessage(message) {
      const digest = createHash('sha256').update(message.body).digest('hex')
      message.finish()
      if (seen.has(digest)) return
      seen.set(digest, message.body)
      const newest = [...seen.values()].slice(-2).reverse()
      void broker.publish(topic, [message.body, ...newest]).catch(() => undefined)
    },
  })
  await until(() => subscription.connected() && broker.status().ready, 10_000, 'the copier')
  return {
    copied: () => seen.size,
    async replayAll() {
      await broker.publish(topic, [...seen.values()].reverse())
    },
    async drained() {
      const response = await fetch(`http://${nsqd.httpAddress}/stats?format=json&topic=${topic}`)
      const stats = (await response.json()) as { topics: NsqTopic[] }
      return stats.topics.every((each) => {
        const open = each.channels.map((channel) => channel.depth + channel.in_flight_count)
        return each.depth + open.reduce((sum, count) => sum + count, 0) === 0
      })
    },
    stop: () => broker.stop(),
  }
}

interface NsqTopic {
  readonly depth: number
  readonly channels: readonly { readonly depth: number; readonly in_flight_count: number }[]
}
