import { describe, expect, it } from 'vitest'
import { isWebhookGenuine, signWebhook, webhookEvent, webhookToleranceMs } from './webhook.ts'

const secret = 'webhook-secret-of-the-tests'
const body = Buffer.from('{"id":"evt_1"}')
const now = Date.UTC(2026, 11, 12, 12, 12)
const signature = signWebhook(secret, body, now)
const genuine = { secret, body, signature, now }

describe('a signed webhook', () => {
  it('is genuine with the same secret, bytes and time', () => {
    expect(isWebhookGenuine(genuine)).toBe(true)
  })

  it.each([
    ['another secret', { secret: 'another' }],
    ['other bytes', { body: Buffer.from('{"id":"evt_2"}') }],
    ['one space more', { body: Buffer.from('{"id": "evt_1"}') }],
    ['no signature', { signature: undefined }],
    ['an empty signature', { signature: '' }],
    ['a signature of zeros', { signature: `t=${now / 1000},v1=${'0'.repeat(64)}` }],
    ['half a signature', { signature: signature.slice(0, -2) }],
    [
      'a time that was not signed',
      { signature: signature.replace(/t=\d+/, `t=${now / 1000 + 1}`) },
    ],
    ['capital letters', { signature: signature.toUpperCase() }],
    ['something behind it', { signature: `${signature},v1=${'0'.repeat(64)}` }],
  ])('is not with %s', (_title, changes) => {
    expect(isWebhookGenuine({ ...genuine, ...changes })).toBe(false)
  })

  it.each([-1, 1])('is good for five minutes and not longer, %i', (direction) => {
    const edge = now + direction * webhookToleranceMs
    expect(isWebhookGenuine({ ...genuine, now: edge })).toBe(true)
    expect(isWebhookGenuine({ ...genuine, now: edge + direction })).toBe(false)
  })
})

describe('an event', () => {
  const event = {
    id: 'evt_1',
    type: 'payment.captured',
    paymentId: 'p1',
    createdAt: '2026-12-12T12:12:00.000Z',
  }

  it('has an id, a type, a payment and a time, and nothing else', () => {
    expect(webhookEvent.safeParse(event).success).toBe(true)
    for (const name of Object.keys(event)) {
      expect(webhookEvent.safeParse({ ...event, [name]: undefined }).success).toBe(false)
    }
    expect(webhookEvent.safeParse({ ...event, status: 'captured' }).success).toBe(false)
  })
})
