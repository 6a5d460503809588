import { describe, expect, it } from 'vitest'
import { isWebhookGenuine, signWebhook, webhookEvent, webhookToleranceMs } from './webhook.ts'

const secret = 'webhook-secret-of-the-tests'
const body = Buffer.from('{"id":"evt_1"}')
const now = Date.UTC(2026, 11, 12, 12, 12)
const signature = signWebhook(secret, body, now)
const genuine = { secrets: [secret], body, signature, now }
const [time = '', hex = ''] = signature.split(',v1=')
const zeros = '0'.repeat(64)

describe('a signed webhook', () => {
  it('is genuine with the same secret, bytes and time', () => {
    expect(isWebhookGenuine(genuine)).toBe(true)
  })

  it.each([
    ['of the new secret while the old one is still known', {}],
    ['of the old secret while the new one is introduced', { secrets: ['another', secret] }],
    ['beside one of another secret', { signature: `${time},v1=${zeros},v1=${hex}` }],
    ['before one of another secret', { signature: `${time},v1=${hex},v1=${zeros}` }],
    ['beside one of another scheme', { signature: `${time},v0=abc,v1=${hex}` }],
    ['with blanks after the commas', { signature: `${time}, v1=${hex}` }],
    ['in capital hexadecimal digits', { signature: `${time},v1=${hex.toUpperCase()}` }],
    ['in another order', { signature: `v1=${hex},${time}` }],
  ])('is genuine with a signature %s', (_title, changes) => {
    expect(isWebhookGenuine({ ...genuine, secrets: [secret, 'another'], ...changes })).toBe(true)
  })

  it.each([
    ['another secret', { secrets: ['another', 'a third'] }],
    ['no secret at all', { secrets: [] }],
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
    ['another scheme only', { signature: signature.replace('v1', 'v0') }],
    ['two times, of which one was not signed', { signature: `t=${now / 1000 + 1},${signature}` }],
    [
      'more signatures than a webhook has',
      { signature: `${time}${`,v1=${zeros}`.repeat(4)},v1=${hex}` },
    ],
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

  it('has an id, a type and a payment', () => {
    expect(webhookEvent.safeParse(event).success).toBe(true)
    for (const name of ['id', 'type', 'paymentId']) {
      expect(webhookEvent.safeParse({ ...event, [name]: undefined }).success).toBe(false)
    }
  })

  it('may have fields that the provider adds, and types that nobody announced', () => {
    const added = { status: 'captured', data: { object: { amount: 1 } }, livemode: true }
    expect(webhookEvent.parse({ ...event, ...added })).toEqual(event)
    expect(webhookEvent.safeParse({ ...event, type: 'v2.Payment-Captured' }).success).toBe(true)
    expect(webhookEvent.safeParse({ ...event, createdAt: undefined }).success).toBe(true)
  })
})
