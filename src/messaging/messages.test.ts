import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { assertName } from '../broker/broker.ts'
import {
  addToCartChannel,
  addToCartResultChannel,
  addToCartResultTopic,
  addToCartTopic,
  parkedChannel,
  parkedTopic,
  stockReleasedChannel,
  stockReleasedTopic,
  newTopicKey,
  type SaleQueue,
} from './topics.ts'
import { addToCartRoutings, type AddToCartRouting } from '../domain/flash-sale.ts'
import { createPlainCodec, createSignedCodec } from './envelope.ts'
import { isForOtherProduct, type AddToCart } from './messages.ts'
import { testId } from '../../test/support/database-fixture.ts'
import { testSeed } from '../../test/support/seed.ts'

const key = { id: 'k1', secret: 'secret-of-the-tests-1' }
const newKey = { id: 'k2', secret: 'secret-of-the-tests-2' }
const topic = 'add_to_cart.sale-1'
const request: AddToCart = {
  requestId: testId(1),
  userId: 2,
  userUid: '0123456789abcdef0123456789abcdef',
  idempotencyKey: 'Schlüssel 🛒',
  flashSaleId: 1,
  productId: 55,
  quantity: 3,
  nodeId: 'api-1',
  sentAt: 1_797_000_000_000,
}
const codec = createSignedCodec([key])
const sealed = codec.seal('add_to_cart', topic, request)
const text = sealed.toString('utf8')
const openIt = (body: Buffer) => codec.open('add_to_cart', topic, body)
const unreadable = (reason: string) => ({ readable: false, reason })

describe.each([
  ['signed', codec],
  ['plain', createPlainCodec()],
])('the %s codec', (_, each) => {
  it('opens what it sealed', () => {
    const body = each.seal('add_to_cart', topic, request)
    const opened = each.open('add_to_cart', topic, body)
    expect(opened).toEqual({ readable: true, message: request })
  })

  it('carries every kind of outcome', () => {
    const held = {
      kind: 'held' as const,
      replayed: false,
      reservation: {
        id: testId(1),
        productId: 5,
        quantity: 1,
        unitPriceMinor: 0,
        currency: 'EUR',
        status: 'held' as const,
        expiresAt: 1,
      },
    }
    const refused = { kind: 'refused' as const, refusal: 'sold_out' as const }
    const outcomes = [held, refused].map((outcome) => ({ requestId: testId(1), outcome }))
    const body = each.seal('add_to_cart_result', 'r', { outcomes })
    const opened = each.open('add_to_cart_result', 'r', body)
    expect(opened).toEqual({ readable: true, message: { outcomes } })
  })

  it('never throws, whatever the bytes, and believes none of them', () => {
    const bytes = fc.uint8Array({ maxLength: 400 })
    fc.assert(
      fc.property(bytes, (noise) => !each.open('add_to_cart', topic, Buffer.from(noise)).readable),
      { seed: testSeed },
    )
  })

  it.each([
    ['a quantity of 0', { quantity: 0 }],
    ['half a unit', { quantity: 0.5 }],
    ['a field nobody knows', { price: 0 }],
    ['a missing field', { userId: undefined }],
    ['a node id that would not make a topic', { nodeId: 'a\nPUB b' }],
  ])('refuses %s, even well sealed', (_, change) => {
    const wrong = { ...request, ...change } as AddToCart
    const body = each.seal('add_to_cart', topic, wrong)
    expect(each.open('add_to_cart', topic, body)).toEqual(unreadable('bad_content'))
  })
})

describe('a signed message', () => {
  it('is not believed with any single bit changed', () => {
    const believed: number[] = []
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const body = Buffer.from(sealed)
      body.writeUInt8(body.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      if (openIt(body).readable) believed.push(bit)
    }
    expect(believed).toEqual([])
  })

  it('is not believed cut off anywhere, or with something behind it', () => {
    for (let length = 0; length < sealed.length; length += 1) {
      expect(openIt(sealed.subarray(0, length)).readable).toBe(false)
    }
    expect(openIt(Buffer.concat([sealed, Buffer.from(' ')]))).toEqual(unreadable('bad_signature'))
  })

  it('of a megabyte of garbage is said to be unreadable', () => {
    const garbage = Buffer.alloc(1024 * 1024, 'a')
    expect(openIt(garbage)).toEqual(unreadable('malformed'))
    const behindEnvelope = Buffer.concat([Buffer.from(text.slice(0, 50)), garbage])
    expect(openIt(behindEnvelope)).toEqual(unreadable('bad_signature'))
  })

  it('with a changed quantity is forged', () => {
    const forged = Buffer.from(text.replace('"quantity":3', '"quantity":9'))
    expect(openIt(forged)).toEqual(unreadable('bad_signature'))
  })

  it('signed with another secret under a known id is forged', () => {
    const forger = createSignedCodec([{ ...key, secret: 'somebody-elses-secret' }])
    expect(openIt(forger.seal('add_to_cart', topic, request))).toEqual(unreadable('bad_signature'))
  })

  it('cannot be moved to another topic', () => {
    const opened = codec.open('add_to_cart', 'add_to_cart.sale-2', sealed)
    expect(opened).toEqual(unreadable('bad_signature'))
  })

  it('cannot be played back as another type, even on the same topic', () => {
    expect(codec.open('add_to_cart_result', topic, sealed)).toEqual(unreadable('bad_signature'))
    expect(codec.open('stock_released', topic, sealed)).toEqual(unreadable('bad_signature'))
  })

  it('of a version to come is told apart', () => {
    expect(openIt(Buffer.from(text.replace('h1.', 'h2.')))).toEqual(unreadable('unknown_version'))
  })

  it('under a key nobody knows is told apart', () => {
    expect(openIt(Buffer.from(text.replace('.k1.', '.k9.')))).toEqual(unreadable('unknown_key'))
  })

  it('without an envelope is malformed', () => {
    expect(openIt(Buffer.from(JSON.stringify(request)))).toEqual(unreadable('malformed'))
  })
})

describe('key rotation', () => {
  const rotating = createSignedCodec([newKey, key])

  it('signs with the first key and still opens what the old one signed', () => {
    const body = rotating.seal('add_to_cart', topic, request)
    expect(body.toString('utf8')).toMatch(/^h1\.k2\./)
    expect(rotating.open('add_to_cart', topic, sealed).readable).toBe(true)
    expect(rotating.open('add_to_cart', topic, body).readable).toBe(true)
    expect(openIt(body)).toEqual(unreadable('unknown_key'))
  })

  it('ends with the old key gone', () => {
    const after = createSignedCodec([newKey])
    expect(after.open('add_to_cart', topic, sealed)).toEqual(unreadable('unknown_key'))
  })

  it('needs at least one key', () => {
    expect(() => createSignedCodec([])).toThrow('at least one')
  })
})

describe('finding the product without parsing', () => {
  const bodyFor = (productId: number, changes: Partial<AddToCart> = {}): Buffer =>
    codec.seal('add_to_cart', topic, { ...request, ...changes, productId })

  it.each([
    [5, 5, false],
    [5, 55, true],
    [55, 5, true],
    [1_000_000_007, 1_000_000_007, false],
  ])('a request for %i is for another than %i: %s', (requested, own, other) => {
    expect(isForOtherProduct(bodyFor(requested), own)).toBe(other)
  })

  it('passes on what is cut off inside the digits, so that it is counted', () => {
    const body = bodyFor(55)
    const end = body.indexOf('"productId":55') + '"productId":5'.length
    expect(isForOtherProduct(body.subarray(0, end), 55)).toBe(false)
    expect(isForOtherProduct(body.subarray(0, end + 1), 7)).toBe(false)
    expect(isForOtherProduct(body.subarray(0, end - 1), 7)).toBe(false)
  })

  it('passes on what has no product or a garbled one', () => {
    for (const garbled of ['', '{}', '"productId":5x,', '"productId":-5,', '"productId":"5",']) {
      expect(isForOtherProduct(Buffer.from(garbled), 7)).toBe(false)
    }
  })

  it('is not misled by a key that looks like the field', () => {
    const body = bodyFor(55, { idempotencyKey: '"productId":7,' })
    expect(isForOtherProduct(body, 55)).toBe(false)
    expect(isForOtherProduct(body, 7)).toBe(true)
  })
})

describe('names', () => {
  const queue = (
    routing: AddToCartRouting,
    flashSaleId: number,
    topicKey = 'k3x9q',
  ): SaleQueue => ({
    flashSaleId,
    routing,
    topicKey,
  })

  it.each(addToCartRoutings)('are valid with %s, however large the ids', (routing) => {
    for (const id of [1, Number.MAX_SAFE_INTEGER]) {
      assertName(addToCartTopic(queue(routing, id), id))
      assertName(addToCartChannel({ routing }, id))
    }
  })

  it.each(addToCartRoutings)('of two products never mean the same queue with %s', (routing) => {
    const nameOf = (sale: number, product: number): string =>
      `${addToCartTopic(queue(routing, sale), product)}/${addToCartChannel({ routing }, product)}`
    expect(new Set([nameOf(1, 11), nameOf(11, 1), nameOf(1, 1), nameOf(11, 11)]).size).toBe(4)
  })

  it.each(addToCartRoutings)(
    'of two sales with one number differ by their keys with %s',
    (routing) => {
      const before = addToCartTopic(queue(routing, 12, 'k3x9q'), 7)
      expect(before).toMatch(/^add_to_cart\.sale-12-k3x9q/)
      expect(addToCartTopic(queue(routing, 12, 'p0a1b'), 7)).not.toBe(before)
    },
  )

  it('have keys of five letters and digits, from the first to the last', () => {
    expect(newTopicKey(() => 0)).toBe('aaaaa')
    expect(newTopicKey(() => 0.999_999)).toBe('99999')
  })

  it('are valid for the longest node id', () => {
    const nodeId = 'n'.repeat(32)
    assertName(addToCartResultTopic(nodeId))
    assertName(addToCartResultChannel)
    assertName(stockReleasedTopic)
    assertName(stockReleasedChannel(nodeId))
    assertName(parkedTopic)
    assertName(parkedChannel)
  })
})
