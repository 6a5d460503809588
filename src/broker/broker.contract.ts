import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { finishFrom, sorted, subscribe, type Consumption } from '../../test/support/consumption.ts'
import { until } from '../../test/support/until.ts'
import {
  BrokerUnavailableError,
  messageBytesMax,
  type Broker,
  type Message,
  type SubscribeOptions,
} from './broker.ts'

/**
 * Tests every adapter of the broker port through the port alone. The tests share one broker and run
 * together, each on its own topics, because nsqd checks the timeouts of new channels only every 5
 * s.
 */

export interface BrokerUnderTest {
  /** The broker, not started yet. */
  readonly broker: Broker
  /** The message timeout it was made with. */
  readonly messageTimeoutMs: number
  /** Called when the broker has been stopped. */
  dispose(): Promise<void>
}

/** A real broker may take this long for actions that do not wait for a timeout. */
const soonMs = 5_000
/** nsqd scans for timeouts every 100 ms, new channels after up to 5 s. */
const timeoutSlackMs = 7_000

export function describeBroker(name: string, open: () => Promise<BrokerUnderTest>): void {
  describe(`broker contract: ${name}`, () => {
    let subject: BrokerUnderTest
    let broker: Broker

    beforeAll(async () => {
      subject = await open()
      broker = subject.broker
      await broker.start()
      await until(() => broker.status().ready, soonMs, 'broker ready')
    })

    afterAll(async () => {
      await broker.stop()
      await subject.dispose()
    })

    const newTopic = (): string => `test.${randomUUID()}`

    /** Makes a channel with a connected consumer that keeps its messages. */
    async function consume(
      topic: string,
      channel: string,
      options: Partial<Pick<SubscribeOptions, 'inFlightMax' | 'onMessage'>> = {},
    ): Promise<Consumption> {
      await broker.createChannel(topic, channel)
      const consumption = subscribe(broker, topic, channel, options)
      await until(() => consumption.subscription.connected(), soonMs, 'connected')
      return consumption
    }

    describe.concurrent('publishing and receiving', () => {
      it('delivers what was published, with attempts 1', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c')
        await broker.publish(topic, [Buffer.from('a'), Buffer.from([0, 10, 13, 255])])
        await until(() => received.length === 2, soonMs)
        expect(sorted(received)).toEqual([
          Buffer.from([0, 10, 13, 255]).toString('latin1'),
          Buffer.from('a').toString('latin1'),
        ])
        expect(received.map((message) => message.attempts)).toEqual([1, 1])
      })

      it('delivers thousands published at once, each one time', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', { inFlightMax: 250 })
        const bodies = Array.from({ length: 2_500 }, (_, index) => Buffer.from(String(index)))
        await broker.publish(topic, bodies)
        await until(() => received.length >= 2_500, soonMs)
        expect(new Set(sorted(received)).size).toBe(2_500)
        expect(received).toHaveLength(2_500)
      })

      it('publishes nothing when given nothing', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c')
        await broker.publish(topic, [])
        await broker.publish(topic, [Buffer.from('after')])
        await until(() => received.length > 0, soonMs)
        expect(sorted(received)).toEqual(['after'])
      })

      it('gives each channel a copy', async () => {
        const topic = newTopic()
        const first = await consume(topic, 'first')
        const second = await consume(topic, 'second')
        await broker.publish(topic, [Buffer.from('for both')])
        await until(() => first.received.length + second.received.length === 2, soonMs)
        expect(sorted(first.received)).toEqual(['for both'])
        expect(sorted(second.received)).toEqual(['for both'])
      })

      it('gives a late channel nothing published before it was made', async () => {
        const topic = newTopic()
        const early = await consume(topic, 'early')
        await broker.publish(topic, [Buffer.from('before')])
        await until(() => early.received.length === 1, soonMs)
        const late = await consume(topic, 'late')
        await broker.publish(topic, [Buffer.from('after')])
        await until(() => late.received.length > 0, soonMs)
        expect(sorted(late.received)).toEqual(['after'])
      })

      it('gives the first channel of a topic what was published before it', async () => {
        const topic = newTopic()
        await broker.publish(topic, [Buffer.from('before')])
        const { received } = await consume(topic, 'first')
        await until(() => received.length === 1, soonMs)
        expect(sorted(received)).toEqual(['before'])
      })

      it('hands out no more than inFlightMax at a time', async () => {
        const topic = newTopic()
        const held: Message[] = []
        await consume(topic, 'c', { inFlightMax: 3, onMessage: (message) => held.push(message) })
        await broker.publish(
          topic,
          Array.from({ length: 10 }, () => Buffer.from('x')),
        )
        await until(() => held.length === 3, soonMs)
        await until(async () => (await broker.depth(topic, 'c')) === 10, soonMs, 'all counted')
        expect(held).toHaveLength(3)
        for (let settled = 0; settled < 10; settled++) {
          await until(() => held.length > settled, soonMs)
          held[settled]?.finish()
          expect(held.length).toBeLessThanOrEqual(settled + 4)
        }
        expect(held).toHaveLength(10)
      })

      it('carries a message of the largest size, and many of them', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c')
        const bodies = Array.from({ length: 6 }, (_, index) => Buffer.alloc(messageBytesMax, index))
        await broker.publish(topic, bodies)
        await until(() => received.length === 6, soonMs)
        expect(received.every((message) => message.body.length === messageBytesMax)).toBe(true)
      })
    })

    describe.concurrent('redelivery', () => {
      it('delivers what is not finished in time again, with attempts 2', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', { onMessage: finishFrom(2) })
        await broker.publish(topic, [Buffer.from('slow')])
        await until(() => received.length === 2, subject.messageTimeoutMs + timeoutSlackMs)
        expect(received.map((message) => message.attempts)).toEqual([1, 2])
        expect(sorted(received)).toEqual(['slow', 'slow'])
      })

      it('delivers a requeued message again, with attempts one higher', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', {
          onMessage: (message) => {
            if (message.attempts === 1) message.requeue(0)
            else if (message.attempts === 2) message.requeue(20)
            else message.finish()
          },
        })
        await broker.publish(topic, [Buffer.from('again')])
        await until(() => received.length === 3, timeoutSlackMs)
        expect(received.map((message) => message.attempts)).toEqual([1, 2, 3])
      })

      it('gives up on a message after five attempts', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', {
          onMessage: (message) => {
            message.requeue(0)
          },
        })
        await broker.publish(topic, [Buffer.from('poison')])
        await until(async () => (await broker.depth(topic, 'c')) === 0, soonMs, 'given up')
        expect(received.map((message) => message.attempts)).toEqual([1, 2, 3, 4, 5])
      })

      it('waits longer for a message that is touched', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', { onMessage: () => undefined })
        await broker.publish(topic, [Buffer.from('long work')])
        await until(() => received.length === 1, soonMs)
        const receivedAt = performance.now()
        await until(() => {
          received[0]?.touch()
          return performance.now() - receivedAt > 3 * subject.messageTimeoutMs
        }, 10 * subject.messageTimeoutMs)
        expect(received).toHaveLength(1)
        received[0]?.finish()
        await until(async () => (await broker.depth(topic, 'c')) === 0, soonMs, 'finished')
      })

      it('takes a second or late finish, requeue and touch without harm', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', { onMessage: finishFrom(2) })
        await broker.publish(topic, [Buffer.from('late')])
        await until(() => received.length === 2, subject.messageTimeoutMs + timeoutSlackMs)
        for (const message of received) {
          message.finish()
          message.requeue(0)
          message.touch()
          message.finish()
        }
        await broker.publish(topic, [Buffer.from('next'), Buffer.from('next')])
        await until(() => received.length >= 4, timeoutSlackMs)
        expect(received.slice(0, 2).map((message) => message.attempts)).toEqual([1, 2])
      })

      it('survives a handler that throws, and delivers the message again', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', {
          onMessage: (message) => {
            if (message.attempts === 1 && message.body.toString() === 'bad') throw new Error('bug')
            message.finish()
          },
        })
        await broker.publish(topic, [Buffer.from('bad'), Buffer.from('good')])
        await until(() => received.length === 3, subject.messageTimeoutMs + timeoutSlackMs)
        expect(sorted(received)).toEqual(['bad', 'bad', 'good'])
      })
    })

    describe.concurrent('bad input', () => {
      const badNames = [
        '',
        'a\nb',
        'a b',
        'ä',
        'x'.repeat(65),
        'a#ephemeral#ephemeral',
        '#ephemeral',
      ]

      it.each(badNames)('refuses the name %j', async (name) => {
        const body = [Buffer.from('x')]
        await expect(broker.publish(name, body)).rejects.toThrow(RangeError)
        await expect(broker.createChannel(name, 'c')).rejects.toThrow(RangeError)
        await expect(broker.createChannel(newTopic(), name)).rejects.toThrow(RangeError)
        await expect(broker.deleteTopic(name)).rejects.toThrow(RangeError)
        expect(() => subscribe(broker, name, 'c')).toThrow(RangeError)
        expect(() => subscribe(broker, newTopic(), name)).toThrow(RangeError)
      })

      it('refuses an empty and an oversize message and harms no other publish', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c')
        const good = broker.publish(topic, [Buffer.from('good')])
        const empty = broker.publish(topic, [Buffer.from('never'), Buffer.alloc(0)])
        const oversize = broker.publish(topic, [Buffer.alloc(messageBytesMax + 1)])
        await expect(empty).rejects.toThrow(RangeError)
        await expect(oversize).rejects.toThrow(RangeError)
        await good
        await broker.publish(topic, [Buffer.from('later')])
        await until(() => received.length === 2, soonMs)
        expect(sorted(received)).toEqual(['good', 'later'])
        expect(broker.status()).toEqual({ ready: true })
      })
    })

    describe.concurrent('channels and consumers', () => {
      it('counts what is queued and what is handed out, and 0 for the unknown', async () => {
        const topic = newTopic()
        const { received } = await consume(topic, 'c', {
          inFlightMax: 1,
          onMessage: () => undefined,
        })
        await broker.publish(topic, [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')])
        await until(() => received.length === 1, soonMs)
        await until(async () => (await broker.depth(topic, 'c')) === 3, soonMs, 'three')
        received[0]?.finish()
        await until(async () => (await broker.depth(topic, 'c')) === 2, soonMs, 'two')
        expect(await broker.depth(newTopic(), 'c')).toBe(0)
      })

      it('lets one consumer receive; a second stands by and takes over', async () => {
        const topic = newTopic()
        const first = await consume(topic, 'c')
        const second = subscribe(broker, topic, 'c')
        await broker.publish(topic, [Buffer.from('one')])
        await until(() => first.received.length === 1, soonMs)
        expect(first.subscription.connected()).toBe(true)
        expect(second.subscription.connected()).toBe(false)
        expect(first.subscription.isStandby()).toBe(false)
        await until(() => second.subscription.isStandby(), soonMs, 'the second stands by')
        await first.subscription.close()
        expect(first.subscription.connected()).toBe(false)
        await until(() => second.subscription.connected(), 1_500, 'the second takes over')
        expect(second.subscription.isStandby()).toBe(false)
        await broker.publish(topic, [Buffer.from('two')])
        await until(() => second.received.length === 1, soonMs)
        expect(sorted(first.received)).toEqual(['one'])
        expect(sorted(second.received)).toEqual(['two'])
      })

      it('close waits for what is handed out, and loses no finish', async () => {
        const topic = newTopic()
        const { received, subscription } = await consume(topic, 'c', { onMessage: () => undefined })
        await broker.publish(topic, [Buffer.from('a'), Buffer.from('b')])
        await until(() => received.length === 2, soonMs)
        let isClosed = false
        const closing = subscription.close().then(() => {
          isClosed = true
        })
        await broker.depth(topic, 'c')
        expect(isClosed).toBe(false)
        for (const message of received) message.finish()
        await closing
        await until(async () => (await broker.depth(topic, 'c')) === 0, soonMs, 'both finished')
        await broker.publish(topic, [Buffer.from('later')])
        const next = await consume(topic, 'c')
        await until(() => next.received.length > 0, soonMs)
        expect(sorted(next.received)).toEqual(['later'])
        expect(received).toHaveLength(2)
      })

      it('close gives up on what is never finished; the next consumer gets it', async () => {
        const topic = newTopic()
        const { received, subscription } = await consume(topic, 'c', { onMessage: () => undefined })
        await broker.publish(topic, [Buffer.from('stuck')])
        await until(() => received.length === 1, soonMs)
        await subscription.close()
        received[0]?.finish()
        const next = await consume(topic, 'c')
        await until(() => next.received.length === 1, subject.messageTimeoutMs + timeoutSlackMs)
        expect(next.received[0]?.attempts).toBe(2)
      })

      it('deletes a topic with what is queued; a missing one is fine', async () => {
        const topic = newTopic()
        await broker.createChannel(topic, 'c')
        await broker.publish(topic, [Buffer.from('gone')])
        await broker.deleteTopic(topic)
        await broker.deleteTopic(topic)
        const { received } = await consume(topic, 'c')
        await broker.publish(topic, [Buffer.from('new')])
        await until(() => received.length > 0, soonMs)
        expect(sorted(received)).toEqual(['new'])
      })

      it('a consumer comes back by itself after its topic was deleted', async () => {
        const topic = newTopic()
        const { received, subscription } = await consume(topic, 'c')
        await broker.deleteTopic(topic)
        await broker.publish(topic, [Buffer.from('new')])
        await until(() => received.length === 1, soonMs)
        expect(subscription.connected()).toBe(true)
      })

      it('an ephemeral channel goes with its last consumer', async () => {
        const topic = newTopic()
        await broker.createChannel(topic, 'stays')
        const first = await consume(topic, 'node#ephemeral')
        await first.subscription.close()
        await broker.publish(topic, [Buffer.from('while away')])
        await until(async () => (await broker.depth(topic, 'stays')) === 1, soonMs, 'queued')
        const second = await consume(topic, 'node#ephemeral')
        await broker.publish(topic, [Buffer.from('after')])
        await until(() => second.received.length > 0, soonMs)
        expect(sorted(second.received)).toEqual(['after'])
      })
    })
  })

  describe(`broker contract, start and stop: ${name}`, () => {
    it('refuses before the start and after the stop; both are idempotent', async () => {
      const subject = await open()
      const { broker } = subject
      const publish = () => broker.publish('topic', [Buffer.from('x')])
      expect(broker.status()).toMatchObject({ ready: false })
      await expect(publish()).rejects.toThrow(BrokerUnavailableError)
      await Promise.all([broker.start(), broker.start()])
      expect(broker.status()).toEqual({ ready: true })
      await broker.createChannel('topic', 'c')
      const consumption = subscribe(broker, 'topic', 'c')
      await publish()
      await Promise.all([broker.stop(), broker.stop()])
      await broker.stop()
      expect(broker.status()).toMatchObject({ ready: false })
      expect(consumption.subscription.connected()).toBe(false)
      await expect(publish()).rejects.toThrow(BrokerUnavailableError)
      await subject.dispose()
    })
  })
}
