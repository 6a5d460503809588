import { describe, expect, it } from 'vitest'
import { createLogger } from '../../logger.ts'
import { systemClock } from '../../clock.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { describeBroker } from '../broker.contract.ts'
import { BrokerUnavailableError, type Message } from '../broker.ts'
import { createEmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.ts'
import { testRandom } from '../../../test/support/seed.ts'

const logger = createLogger('silent', {})

describeBroker('embedded', () => {
  const messageTimeoutMs = 100
  const broker = createEmbeddedBroker({
    clock: systemClock,
    logger,
    random: testRandom(),
    messageTimeoutMs,
    drainTimeoutMs: 500,
    // Reordering is within the contract; a lost finish would make its counts a matter of luck.
    faults: () => ({ reorderRate: 0.2, lostFinishRate: 0 }),
  })
  return Promise.resolve({ broker, messageTimeoutMs, dispose: () => Promise.resolve() })
})

describe('embedded broker', () => {
  /** Opens a broker whose time and deferred deliveries move only when the test says so. */
  async function openControlled(options: Partial<EmbeddedBrokerOptions> = {}) {
    const clock = createFakeClock()
    const tasks: (() => void)[] = []
    const broker = createEmbeddedBroker({
      clock,
      logger,
      random: () => 0.5,
      defer: (task) => tasks.push(task),
      faults: () => ({ reorderRate: 0, lostFinishRate: 0 }),
      ...options,
    })
    await broker.start()
    await broker.createChannel('topic', 'c')
    /** Runs the tasks deferred until now and returns their number. */
    function tick(): number {
      const due = tasks.splice(0)
      for (const task of due) task()
      return due.length
    }
    return { broker, clock, tick }
  }

  const body = (text: string): Buffer => Buffer.from(text)
  const texts = (messages: readonly Message[]): string[] =>
    messages.map((message) => message.body.toString())

  function collect(finish: 'finish' | 'keep') {
    const received: Message[] = []
    const onMessage = (message: Message): void => {
      received.push(message)
      if (finish === 'finish') message.finish()
    }
    return { received, onMessage, subscription: { topic: 'topic', channel: 'c', inFlightMax: 10 } }
  }

  it('never delivers inside publish, and hands a tick of publishes out together', async () => {
    const { broker, tick } = await openControlled()
    const { received, onMessage, subscription } = collect('finish')
    broker.subscribe({ ...subscription, onMessage })
    const published = [broker.publish('topic', [body('a')]), broker.publish('topic', [body('b')])]
    expect(received).toHaveLength(0)
    await Promise.all(published)
    expect(received).toHaveLength(0)
    expect(tick()).toBe(1)
    expect(texts(received)).toEqual(['a', 'b'])
  })

  it('a handler that publishes to its own channel does not starve the loop', async () => {
    const { broker, tick } = await openControlled()
    let received = 0
    broker.subscribe({
      topic: 'topic',
      channel: 'c',
      inFlightMax: 10,
      onMessage(message) {
        received += 1
        message.finish()
        void broker.publish('topic', [body('again')])
      },
    })
    await broker.publish('topic', [body('first')])
    tick()
    expect(received).toBe(1)
    tick()
    expect(received).toBe(2)
  })

  it('redelivers after the message timeout and not before', async () => {
    const { broker, clock, tick } = await openControlled({ messageTimeoutMs: 10_000 })
    const { received, onMessage, subscription } = collect('keep')
    broker.subscribe({ ...subscription, onMessage })
    await broker.publish('topic', [body('a')])
    tick()
    clock.advance(9_999)
    tick()
    expect(received.map(({ attempts }) => attempts)).toEqual([1])
    clock.advance(1)
    tick()
    expect(received.map(({ attempts }) => attempts)).toEqual([1, 2])
    received[0]?.finish()
    expect(await broker.depth('topic', 'c')).toBe(1)
    received[1]?.finish()
    expect(await broker.depth('topic', 'c')).toBe(0)
  })

  it('a message with a lost finish comes again within the message timeout', async () => {
    const { broker, clock, tick } = await openControlled({
      messageTimeoutMs: 10_000,
      faults: () => ({ reorderRate: 0, lostFinishRate: 0.6 }),
    })
    const { received, onMessage, subscription } = collect('finish')
    broker.subscribe({ ...subscription, onMessage })
    await broker.publish('topic', [body('a')])
    tick()
    expect(received).toHaveLength(1)
    clock.advance(10_000)
    tick()
    expect(received.map(({ attempts }) => attempts)).toEqual([1, 2])
    expect(texts(received)).toEqual(['a', 'a'])
  })

  it('keeps the order and every finish unless told otherwise', async () => {
    const clock = createFakeClock()
    const tasks: (() => void)[] = []
    const defer = (task: () => void): void => void tasks.push(task)
    // A draw of 0 is below every rate above 0.
    const broker = createEmbeddedBroker({ clock, logger, random: () => 0, defer })
    await broker.start()
    await broker.createChannel('topic', 'c')
    const { received, onMessage, subscription } = collect('finish')
    broker.subscribe({ ...subscription, onMessage })
    const sent = ['a', 'b', 'c', 'd', 'e', 'f']
    await broker.publish('topic', sent.map(body))
    for (let round = 0; round < 2; round += 1) {
      for (const task of tasks.splice(0)) task()
      clock.advance(20_000)
    }
    expect(texts(received)).toEqual(sent)
  })

  it('lets a queued message be overtaken as long as it is told to, and loses none', async () => {
    let reorderRate = 1
    const { broker, tick } = await openControlled({
      faults: () => ({ reorderRate, lostFinishRate: 0 }),
    })
    const { received, onMessage, subscription } = collect('finish')
    broker.subscribe({ ...subscription, onMessage })
    const sent = ['a', 'b', 'c', 'd', 'e', 'f']
    await broker.publish('topic', sent.map(body))
    tick()
    expect(texts(received)).not.toEqual(sent)
    expect(texts(received).sort()).toEqual(sent)

    reorderRate = 0
    await broker.publish('topic', sent.map(body))
    tick()
    expect(texts(received).slice(sent.length)).toEqual(sent)
  })

  it('refuses all of a publish when one channel has no room, and takes it when it has', async () => {
    const { broker, tick } = await openControlled({ queuedMessagesMax: 3 })
    await broker.createChannel('topic', 'empty')
    const { received, onMessage, subscription } = collect('keep')
    broker.subscribe({ ...subscription, onMessage })
    await broker.publish('topic', [body('a'), body('b')])
    tick()
    const tooMuch = broker.publish('topic', [body('c'), body('d')])
    await expect(tooMuch).rejects.toThrow(BrokerUnavailableError)
    expect(await broker.depth('topic', 'c')).toBe(2)
    await broker.publish('topic', [body('c')])
    await expect(broker.publish('topic', [body('d')])).rejects.toThrow('queue full')
    expect(received).toHaveLength(2)
  })

  it('bounds a topic without channels, and the number of topics', async () => {
    const { broker } = await openControlled({ queuedMessagesMax: 2, topicsMax: 2 })
    await broker.publish('alone', [body('a'), body('b')])
    await expect(broker.publish('alone', [body('c')])).rejects.toThrow(BrokerUnavailableError)
    await expect(broker.publish('third', [body('a')])).rejects.toThrow('no more than 2 topics')
  })

  it('leaves no timer behind', async () => {
    const { broker, clock, tick } = await openControlled({ drainTimeoutMs: 1_000 })
    const { received, onMessage, subscription } = collect('keep')
    broker.subscribe({ ...subscription, onMessage })
    await broker.publish('topic', [body('a'), body('b'), body('c')])
    tick()
    received[0]?.requeue(60_000)
    const stopped = broker.stop()
    clock.advance(1_000)
    await stopped
    expect(clock.pending()).toBe(0)
  })

  it('keeps its speed with a full queue', async () => {
    // 200,000 through a queue of 100,000: a queue that shifts its elements takes minutes.
    const count = 100_000
    const { broker, tick } = await openControlled({ queuedMessagesMax: count })
    let received = 0
    const onMessage = (message: Message): void => {
      received += 1
      message.finish()
    }
    broker.subscribe({ topic: 'topic', channel: 'c', inFlightMax: 500, onMessage })
    const bodies = Array.from({ length: count }, () => body('x'))
    for (let round = 1; round <= 2; round++) {
      await broker.publish('topic', bodies)
      while (received < round * count) expect(tick()).toBeGreaterThan(0)
    }
    expect(await broker.depth('topic', 'c')).toBe(0)
  })
})
