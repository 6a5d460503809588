import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'

/**
 * What the provider tells by itself, and how it proves that it is the provider: a header
 * `t=<epoch seconds>,v1=<hex>` with an HMAC-SHA-256 of `<t>.<body as it was sent>`.
 */
export const signatureHeader = 'payment-signature'

/** An older signature may be somebody's copy. */
export const webhookToleranceMs = 300_000

/** Only that something happened to a payment. What it was is asked for, not believed. */
export const webhookEvent = z.strictObject({
  id: z.string().regex(/^[\x21-\x7e]{1,255}$/, '1 to 255 visible ASCII characters'),
  type: z.string().regex(/^[a-z._]{1,100}$/, 'such as payment.captured'),
  paymentId: z.string().regex(/^[\x21-\x7e]{1,200}$/, '1 to 200 visible ASCII characters'),
  createdAt: z.iso.datetime(),
})
export type WebhookEvent = z.infer<typeof webhookEvent>

/** `now` in epoch ms. */
export function signWebhook(secret: string, body: string | Buffer, now: number): string {
  const seconds = String(Math.floor(now / 1000))
  return `t=${seconds},v1=${digest(secret, seconds, body).toString('hex')}`
}

export interface SignedWebhook {
  readonly secret: string
  readonly body: Buffer
  readonly signature: string | undefined
  /** Epoch ms. */
  readonly now: number
}

/** Whether somebody with the secret signed these very bytes within the tolerance. */
export function isWebhookGenuine({ secret, body, signature = '', now }: SignedWebhook): boolean {
  const [, seconds = '', hex = ''] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(signature) ?? []
  const matches = timingSafeEqual(
    digest(secret, seconds, body),
    hex === '' ? Buffer.alloc(32) : Buffer.from(hex, 'hex'),
  )
  const isFresh = Math.abs(now - Number(seconds) * 1000) <= webhookToleranceMs
  return matches && isFresh
}

function digest(secret: string, seconds: string, body: string | Buffer): Buffer {
  return createHmac('sha256', secret).update(`${seconds}.`).update(body).digest()
}
