import { describe, expect, it } from 'vitest'
import type { Broker } from '../../broker/broker.ts'
import { createLogger } from '../../logger.ts'
import type { SaleWithProducts } from '../../messaging/current-sales.ts'
import { createSaleChannels } from './sale-channels.ts'

/** A broker that makes no channel before it is told to. */
function openSlowBroker() {
  const asked: string[] = []
  const failing: (() => void)[] = []
  const broker = {
    createChannel: (topic: string, channel: string) =>
      new Promise<void>((_resolve, reject) => {
        asked.push(`${topic} ${channel}`)
        failing.push(() => {
          reject(new Error('nsqd is silent'))
        })
      }),
    forgetTopic: () => undefined,
  } as unknown as Broker
  const failAll = (): void => {
    for (const fail of failing.splice(0)) fail()
  }
  return {
    asked,
    failAll,
    channels: createSaleChannels({ broker, logger: createLogger('silent', {}) }),
  }
}

const saleOf = (flashSaleId: number, products: number): SaleWithProducts => ({
  flashSaleId,
  state: 'open',
  startsAt: 0,
  endsAt: 1_000,
  routing: 'channel-per-product',
  topicKey: 'k3x9q',
  productIds: Array.from({ length: products }, (_, index) => index + 1),
})

function firstTryOf(channels: ReturnType<typeof openSlowBroker>['channels'], productId: number) {
  const route = channels.find(1, productId)
  if (route.kind !== 'no_channel' || route.firstTry === undefined) throw new Error('it was tried')
  return route.firstTry
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('whoever waits for the first try of a channel', () => {
  it('goes on when the sale is called off before its turn has come', async () => {
    const { channels } = openSlowBroker()
    channels.makeFor([saleOf(1, 20)])
    const waiting = Promise.all(
      [...Array(20).keys()].map((index) => firstTryOf(channels, index + 1)),
    )
    channels.makeFor([])
    await expect(waiting).resolves.toHaveLength(20)
  })

  it('goes on when the process stops', async () => {
    const { channels, failAll } = openSlowBroker()
    channels.makeFor([saleOf(1, 20)])
    const waiting = Promise.all(
      [...Array(20).keys()].map((index) => firstTryOf(channels, index + 1)),
    )
    const stopped = channels.stop()
    failAll()
    await stopped
    await expect(waiting).resolves.toHaveLength(20)
  })

  it('comes before channels that have failed already', async () => {
    const { channels, asked, failAll } = openSlowBroker()
    const sale = saleOf(1, 20)
    channels.makeFor([sale])
    for (let round = 0; round < 3; round += 1) {
      failAll()
      await turn()
      channels.makeFor([sale])
    }
    expect(new Set(asked).size).toBe(20)
  })
})
