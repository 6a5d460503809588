import { Writable } from 'node:stream'
import { Socket } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  requireNsqd,
  requireNsqlookupd,
  startNsqd,
  startNsqlookupd,
  type NsqdOptions,
  type NsqProcess,
} from '../../../scripts/nsqd-process.ts'
import { systemClock } from '../../clock.ts'
import { createLogger, type Logger } from '../../logger.ts'
import { until } from '../../../test/support/until.ts'
import { describeBroker } from '../broker.contract.ts'
import { BrokerUnavailableError, type Broker, type Message } from '../broker.ts'
import { createNsqdHttp } from './http.ts'
import { createTopicJanitor, deleteDeadResultTopics } from './topic-janitor.ts'
import { createNsqBroker, type NsqBrokerOptions } from './nsq-broker.ts'
import { testRandom } from '../../../test/support/seed.ts'

const silent = createLogger('silent', {})
const nsqdPath = await requireNsqd()
const nsqlookupdPath = nsqdPath === undefined ? undefined : await requireNsqlookupd()
/** The design promises to be ready within 2 s after nsqd has started. */
const readyMs = 2_000
const soonMs = 5_000

function createBroker(
  nsqds: readonly Pick<NsqProcess, 'tcpAddress' | 'httpAddress'>[],
  options: Partial<NsqBrokerOptions> = {},
): Broker {
  return createNsqBroker({
    tcpAddresses: nsqds.map((nsqd) => nsqd.tcpAddress),
    httpAddresses: nsqds.map((nsqd) => nsqd.httpAddress),
    lookupdHttpAddresses: [],
    clock: systemClock,
    logger: silent,
    random: testRandom(),
    ...options,
  })
}

describe.skipIf(nsqdPath === undefined)('with a real nsqd', () => {
  describeBroker('nsqd', async () => {
    const nsqd = await startNsqd({ binary: nsqdPath ?? '' })
    const messageTimeoutMs = 1_000
    const broker = createBroker([nsqd], { messageTimeoutMs, drainTimeoutMs: 500 })
    return { broker, messageTimeoutMs, dispose: () => nsqd.dispose() }
  })
})

interface ConsumerStats {
  readonly topics: readonly {
    readonly channels: readonly { readonly clients: readonly { readonly ready_count: number }[] }[]
  }[]
}

/** Reads how many messages each consumer of an nsqd has asked for. */
async function readyCounts(nsqd: Pick<NsqProcess, 'httpAddress'>): Promise<readonly number[]> {
  const response = await fetch(`http://${nsqd.httpAddress}/stats?format=json`)
  const { topics } = (await response.json()) as ConsumerStats
  const clients = topics.flatMap(({ channels }) => channels.flatMap((channel) => channel.clients))
  return clients.map(({ ready_count: count }) => count)
}

describe.skipIf(nsqdPath === undefined)('nsq broker', () => {
  const brokers: Broker[] = []
  const daemons: NsqProcess[] = []

  afterEach(async () => {
    await Promise.all(brokers.splice(0).map((broker) => broker.stop()))
    await Promise.all(daemons.splice(0).map((daemon) => daemon.dispose()))
  })

  async function nsqd(options: Partial<NsqdOptions> = {}): Promise<NsqProcess> {
    const started = await startNsqd({ binary: nsqdPath ?? '', ...options })
    daemons.push(started)
    return started
  }

  async function open(
    nsqds: readonly NsqProcess[],
    options: Partial<NsqBrokerOptions> = {},
  ): Promise<Broker> {
    const broker = createBroker(nsqds, options)
    brokers.push(broker)
    await broker.start()
    return broker
  }

  async function openReady(...parameters: Parameters<typeof open>): Promise<Broker> {
    const broker = await open(...parameters)
    await until(() => broker.status().ready, readyMs, 'ready')
    return broker
  }

  function collect(broker: Broker, topic: string, channel: string) {
    const received: string[] = []
    const onMessage = (message: Message): void => {
      received.push(message.body.toString())
      message.finish()
    }
    const subscription = broker.subscribe({ topic, channel, inFlightMax: 100, onMessage })
    return { received, subscription }
  }

  const body = (text: string): Buffer[] => [Buffer.from(text)]

  async function publishes(broker: Broker, text: string): Promise<boolean> {
    try {
      await broker.publish('topic', body(text))
      return true
    } catch {
      return false
    }
  }

  async function channelsOf(daemon: NsqProcess, topic: string): Promise<string[]> {
    const stats = await createNsqdHttp(daemon.httpAddress).stats()
    const found = stats.find((candidate) => candidate.topic === topic)
    return (found?.channels ?? []).map(({ channel }) => channel).sort()
  }

  it('starts without nsqd, says why it is not ready, and is ready within 2 s of its coming', async () => {
    const late = await nsqd()
    await late.kill()
    const broker = await open([late])
    await until(() => statusText(broker).includes('ECONNREFUSED'), soonMs)
    await expect(broker.publish('topic', body('x'))).rejects.toThrow(BrokerUnavailableError)
    await expect(broker.createChannel('topic', 'c')).rejects.toThrow(BrokerUnavailableError)
    expect(await broker.depth('topic', 'c')).toBeUndefined()
    const { received, subscription } = collect(broker, 'topic', 'c')

    await late.restart()
    await until(() => broker.status().ready && subscription.connected(), readyMs, 'ready')
    expect(await channelsOf(late, 'topic')).toEqual(['c'])
    await broker.publish('topic', body('first'))
    await until(() => received.length === 1, soonMs)
  })

  it('stops without a complaint of nsqd about its connections', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon])
    await broker.createChannel('topic', 'one')
    await broker.createChannel('topic', 'two')
    const both = ['one', 'two'].map((channel) => collect(broker, 'topic', channel))
    await until(() => both.every(({ subscription }) => subscription.connected()), soonMs)
    await broker.publish('topic', body('first'))
    await until(() => both.every(({ received }) => received.length === 1), soonMs)
    await broker.stop()
    await daemon.stop()
    expect(daemon.log()).toBe('')
  })

  it('stops in time when nsqd does not close its half of the connections', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon])
    await broker.createChannel('topic', 'one')
    const { subscription } = collect(broker, 'topic', 'one')
    await until(() => subscription.connected(), soonMs)
    await daemon.pause()
    await broker.stop()
    expect(broker.status().ready).toBe(false)
  })

  it('recovers from a hard kill, with the channels there before it is ready again', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon])
    // Ephemeral channels are the hard case, because nsqd forgets them at a restart.
    await broker.createChannel('result#ephemeral', 'node#ephemeral')
    await broker.createChannel('sale', 'product-1')
    await broker.createChannel('sale', 'product-2')
    const { received, subscription } = collect(broker, 'sale', 'product-1')
    await until(() => subscription.connected(), soonMs)

    await daemon.kill()
    await until(() => !broker.status().ready, soonMs, 'noticed')
    await until(() => !subscription.connected(), soonMs, 'noticed by the consumer')
    await daemon.restart()
    await until(() => broker.status().ready, readyMs, 'ready again')
    expect(await channelsOf(daemon, 'result#ephemeral')).toEqual(['node#ephemeral'])
    expect(await channelsOf(daemon, 'sale')).toEqual(['product-1', 'product-2'])
    await broker.publish('sale', body('after'))
    await until(() => received.includes('after'), soonMs)
  })

  it('rejects what is being published when nsqd is killed, and loses no count of it', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon], { openMessagesMax: 100 })
    for (let round = 1; round <= 2; round++) {
      await daemon.pause()
      const published = Promise.allSettled(
        Array.from({ length: 100 }, () => broker.publish('topic', body('x'))),
      )
      await daemon.kill()
      const results = await published
      expect(results.every((result) => result.status === 'rejected')).toBe(true)
      await daemon.restart()
      await until(() => broker.status().ready, readyMs, 'ready again')
    }
    await broker.publish('topic', body('x'))
  })

  it('gives up on a silent nsqd by the deadline, refuses meanwhile, and recovers', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon])
    await daemon.pause()
    await expect(broker.publish('topic', body('x'))).rejects.toThrow('did not answer within 1000')
    await until(() => !broker.status().ready, soonMs)
    await expect(broker.publish('topic', body('x'))).rejects.toThrow(BrokerUnavailableError)
    // The stopped nsqd still accepts connections but sends no greeting.
    await until(() => statusText(broker).includes('no greeting'), soonMs)
    daemon.resume()
    await until(() => broker.status().ready, readyMs, 'ready again')
    await broker.publish('topic', body('x'))
  })

  it('refuses publishes above the bound while nsqd does not answer', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon], { openMessagesMax: 10 })
    await daemon.pause()
    const open = [
      broker.publish(
        'topic',
        Array.from({ length: 10 }, () => Buffer.from('x')),
      ),
    ]
    await expect(broker.publish('topic', body('x'))).rejects.toThrow('10 messages wait')
    daemon.resume()
    await Promise.all(open)
    await broker.publish('topic', body('x'))
  })

  it('does not blame nsqd for a stall of its own event loop', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon])
    const published = broker.publish('topic', body('x'))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200)
    await published
    expect(broker.status()).toEqual({ ready: true })
  })

  it('publishes through the next nsqd when one dies, and consumes from all', async () => {
    const [first, second] = [await nsqd(), await nsqd()]
    const broker = await openReady([first, second])
    await broker.createChannel('topic', 'c')
    expect(await channelsOf(second, 'topic')).toEqual(['c'])
    const { received } = collect(broker, 'topic', 'c')
    await broker.publish('topic', body('through the first'))
    await until(() => received.length === 1, soonMs)

    await first.kill()
    await until(() => publishes(broker, 'through the second'), readyMs, 'ready through the second')
    await until(() => received.length === 2, soonMs)
    await until(async () => (await broker.depth('topic', 'c')) === 0, soonMs, 'both finished')
    await broker.createChannel('topic', 'one-nsqd-is-enough')

    // Publishing stays with the second nsqd when the first one is back, and so does its consumer.
    await first.restart()
    await second.stop()
    await until(() => publishes(broker, 'through the first'), readyMs, 'ready through the first')
    await until(() => received.includes('through the first'), soonMs)
    expect(await channelsOf(first, 'topic')).toEqual(['c', 'one-nsqd-is-enough'])
  })

  it('a standby takes over when the process before it dies, and is quiet until then', async () => {
    const daemon = await nsqd()
    const active = await openReady([daemon])
    const { lines, logger } = recordingLogger()
    const standby = await openReady([daemon], { logger })
    await active.createChannel('topic', 'c')
    const first = collect(active, 'topic', 'c')
    await until(() => first.subscription.connected(), soonMs)
    const second = collect(standby, 'topic', 'c')
    const refusals = (): number => lines.filter((line) => line.includes('standby')).length
    await until(() => refusals() === 1, soonMs)
    const since = performance.now()
    await until(() => performance.now() - since > 2_500, soonMs)
    expect(refusals()).toBe(1)
    expect(lines.length).toBeLessThan(5)
    expect(second.subscription.connected()).toBe(false)

    await first.subscription.close()
    await until(() => second.subscription.connected(), 1_500, 'taken over')
    await active.publish('topic', body('x'))
    await until(() => second.received.length === 1, soonMs)
  })

  it('still receives from an nsqd that does not know our flags', async () => {
    const { lines, logger } = recordingLogger()
    const flags = { 'min-output-buffer-timeout': '25ms' }
    const broker = await openReady([await nsqd({ flags })], { logger })
    await broker.createChannel('topic', 'c')
    const { received, subscription } = collect(broker, 'topic', 'c')
    await until(() => subscription.connected(), soonMs)
    await broker.publish('topic', body('x'))
    await until(() => received.length === 1, soonMs)
    expect(lines.filter((line) => line.includes('min-output-buffer-timeout'))).toHaveLength(1)
  })

  it('gathers the finishes of a tick, which needs the inside of nsqjs as we know it', async () => {
    const broker = await openReady([await nsqd()])
    await broker.createChannel('topic', 'c')
    const { received, subscription } = collect(broker, 'topic', 'c')
    await until(() => subscription.connected(), soonMs)
    const cork = vi.spyOn(Socket.prototype, 'cork')
    await broker.publish('topic', [...body('a'), ...body('b'), ...body('c')])
    await until(() => received.length === 3, soonMs)
    expect(cork.mock.calls.length).toBeGreaterThan(0)
    expect(cork.mock.calls.length).toBeLessThanOrEqual(3)
    cork.mockRestore()
    await until(async () => (await broker.depth('topic', 'c')) === 0, soonMs)
  })

  it.skipIf(nsqlookupdPath === undefined)(
    'keeps a connection when another nsqd comes, and shares the messages in flight anew',
    async () => {
      const lookupd = await startNsqlookupd({ binary: nsqlookupdPath ?? '' })
      daemons.push(lookupd)
      const lookupdTcpAddress = lookupd.tcpAddress
      const [first, second] = [await nsqd({ lookupdTcpAddress }), await nsqd({ lookupdTcpAddress })]
      const lookupdHttpAddresses = [lookupd.httpAddress]
      const { lines, logger } = recordingLogger()
      const broker = await openReady([first], { lookupdHttpAddresses, logger })
      const { subscription } = collect(broker, 'topic', 'c')
      await until(() => subscription.connected(), soonMs)
      const [share] = await readyCounts(first)
      expect(share).toBeGreaterThan(1)
      const other = await openReady([second])
      await other.createChannel('topic', 'c')
      const half = Math.floor((share ?? 0) / 2)
      await until(async () => (await readyCounts(second))[0] === half, soonMs)
      await until(async () => (await readyCounts(first))[0] === half, soonMs)
      const connected = lines.filter((line) => line.includes('"state":"connected"'))
      expect(connected.filter((line) => line.includes(first.tcpAddress))).toHaveLength(1)
    },
  )

  it.skipIf(nsqlookupdPath === undefined)('finds nsqds through nsqlookupd', async () => {
    const lookupd = await startNsqlookupd({ binary: nsqlookupdPath ?? '' })
    daemons.push(lookupd)
    const lookupdTcpAddress = lookupd.tcpAddress
    const [first, second] = [await nsqd({ lookupdTcpAddress }), await nsqd({ lookupdTcpAddress })]
    const lookupdHttpAddresses = [lookupd.httpAddress]
    const broker = await openReady([first], { lookupdHttpAddresses })
    const other = await openReady([second])
    const { received, subscription } = collect(broker, 'topic', 'c')
    await broker.createChannel('topic', 'c')
    await until(() => subscription.connected(), soonMs)
    await broker.publish('topic', body('first'))
    await other.createChannel('topic', 'c')
    await other.publish('topic', body('second'))
    await until(() => received.length === 2, soonMs)
    // Existing connections stay when no nsqlookupd answers.
    await lookupd.kill()
    await broker.publish('topic', body('third'))
    await until(() => received.length === 3, soonMs)
  })

  it('the janitor deletes only dead ephemeral topics with the prefix, at the second look', async () => {
    const daemon = await nsqd()
    const broker = await openReady([daemon])
    const http = createNsqdHttp(daemon.httpAddress)
    const topics = ['result.dead#ephemeral', 'result.alive#ephemeral', 'result.kept', 'sale.1']
    for (const topic of topics) await broker.publish(topic, body('x'))
    await broker.createChannel('result.alive#ephemeral', 'node#ephemeral')
    const first = await deleteDeadResultTopics(http, 'result.', new Set())
    expect(first.deleted).toEqual([])
    const second = await deleteDeadResultTopics(http, 'result.', first.suspects)
    expect(second.deleted).toEqual(['result.dead#ephemeral'])
    const left = (await http.stats()).map(({ topic }) => topic).sort()
    expect(left).toEqual(['result.alive#ephemeral', 'result.kept', 'sale.1'])
  })

  it('the janitor works by itself, survives an absent nsqd and stops', async () => {
    const daemon = await nsqd()
    const gone = { ...daemon, tcpAddress: '127.0.0.1:1', httpAddress: '127.0.0.1:1' }
    const broker = await openReady([daemon])
    await broker.publish('result.dead#ephemeral', body('x'))
    const janitor = createTopicJanitor({
      httpAddresses: [gone.httpAddress, daemon.httpAddress],
      prefix: 'result.',
      everyMs: 20,
      clock: systemClock,
      logger: silent,
    })
    await janitor.start()
    const http = createNsqdHttp(daemon.httpAddress)
    await until(async () => (await http.stats()).length === 0, soonMs, 'tidied')
    await janitor.stop()
    await janitor.stop()
  })
})

describe('nsq broker without any nsqd', () => {
  const nowhere = { tcpAddress: '127.0.0.1:1', httpAddress: '127.0.0.1:1' }

  it('says one line about it, not one per attempt, and stops at once', async () => {
    const { lines, logger } = recordingLogger()
    const broker = createBroker([nowhere], { logger })
    await broker.start()
    await until(() => lines.length > 0, soonMs)
    const since = performance.now()
    await until(() => performance.now() - since > 600, soonMs)
    await broker.stop()
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('cannot publish to nsqd')
  })

  it('can be stopped in the tick it was started in, and without a start', async () => {
    const broker = createBroker([nowhere])
    await Promise.all([broker.start(), broker.stop()])
    await createBroker([nowhere]).stop()
  })

  it('refuses addresses that are none', () => {
    const invalid = ['localhost', 'localhost:', ':4150', 'localhost:99999', 'a:b:1']
    for (const tcpAddress of invalid) {
      expect(() => createBroker([{ ...nowhere, tcpAddress }])).toThrow(RangeError)
    }
    expect(() => createBroker([])).toThrow(RangeError)
  })
})

function statusText(broker: Broker): string {
  const status = broker.status()
  return status.ready ? 'ready' : status.reason
}

function recordingLogger(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  return { lines, logger: pino({ level: 'info' }, destination) }
}
