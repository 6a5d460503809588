import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AlreadyCapturedError, type PaymentOrder, type PaymentProvider } from './provider.ts'

/** A working provider, new for every test. */
export interface ProviderUnderTest {
  readonly provider: PaymentProvider
  /** Payment method tokens of this provider. */
  readonly methods: { readonly authorizes: string; readonly declines: string }
  close(): Promise<void>
}

/** Tests that every payment provider adapter must pass. `open` is called before each test. */
export function testPaymentProvider(name: string, open: () => Promise<ProviderUnderTest>): void {
  let current: ProviderUnderTest
  let provider: PaymentProvider

  beforeEach(async () => {
    current = await open()
    provider = current.provider
  })
  afterEach(() => current.close())

  function order(changes: Partial<PaymentOrder> = {}): PaymentOrder {
    return {
      paymentId: '0197a1b2-0000-7000-8000-000000000001',
      invoiceId: '0197a1b2-0000-7000-8000-00000000000a',
      amountMinor: 12_345,
      currency: 'EUR',
      method: current.methods.authorizes,
      ...changes,
    }
  }

  function status(paymentId = order().paymentId): Promise<string | undefined> {
    return provider.find(paymentId).then((payment) => payment?.status)
  }

  describe(`${name}: authorising`, () => {
    it('sets the money aside and can be asked about it', async () => {
      expect(await provider.authorize(order())).toEqual({ kind: 'authorized' })
      expect(await provider.find(order().paymentId)).toEqual({
        paymentId: order().paymentId,
        status: 'authorized',
        declineCode: null,
        amountMinor: 12_345,
        currency: 'EUR',
      })
    })

    it('gives the same answer when asked again', async () => {
      await provider.authorize(order())
      expect(await provider.authorize(order())).toEqual({ kind: 'authorized' })
      expect(await status()).toBe('authorized')
    })

    it('gives one answer to two calls at once', async () => {
      const answers = await Promise.all([provider.authorize(order()), provider.authorize(order())])
      expect(answers).toEqual([{ kind: 'authorized' }, { kind: 'authorized' }])
    })

    it('still says authorised when asked again after the capture, and moves nothing', async () => {
      await provider.authorize(order())
      await provider.capture(order().paymentId)
      expect(await provider.authorize(order())).toEqual({ kind: 'authorized' })
      expect(await status()).toBe('captured')
    })

    it('repeats a decline with its code', async () => {
      const declining = order({ method: current.methods.declines })
      const first = await provider.authorize(declining)
      expect(first).toEqual({ kind: 'declined', code: expect.stringMatching(/./) as string })
      expect(await provider.authorize(declining)).toEqual(first)
      expect(await status()).toBe('declined')
    })

    it.each<Partial<PaymentOrder>>([
      { amountMinor: 12_346 },
      { currency: 'USD' },
      { invoiceId: '0197a1b2-0000-7000-8000-00000000000b' },
    ])('refuses the same id with %o and keeps the first order', async (changes) => {
      await provider.authorize(order())
      await expect(provider.authorize(order(changes))).rejects.toThrow(Error)
      expect(await provider.find(order().paymentId)).toMatchObject({
        status: 'authorized',
        amountMinor: 12_345,
        currency: 'EUR',
      })
    })

    it.each<Partial<PaymentOrder>>([
      { amountMinor: -1 },
      { amountMinor: 0.5 },
      { currency: 'euro' },
      { paymentId: '' },
      { invoiceId: '' },
    ])('refuses an impossible order with %o', async (changes) => {
      await expect(provider.authorize(order(changes))).rejects.toThrow(Error)
      expect(await status()).toBeUndefined()
    })
  })

  describe(`${name}: capturing`, () => {
    it('moves authorised money', async () => {
      await provider.authorize(order())
      await provider.capture(order().paymentId)
      expect(await status()).toBe('captured')
    })

    it('changes nothing when repeated', async () => {
      await provider.authorize(order())
      await Promise.all([provider.capture(order().paymentId), provider.capture(order().paymentId)])
      await provider.capture(order().paymentId)
      expect(await status()).toBe('captured')
    })

    it('is refused for an id nobody authorised', async () => {
      await expect(provider.capture(order().paymentId)).rejects.toThrow(Error)
      expect(await status()).toBeUndefined()
    })

    it('is refused after a decline', async () => {
      await provider.authorize(order({ method: current.methods.declines }))
      await expect(provider.capture(order().paymentId)).rejects.toThrow(Error)
      expect(await status()).toBe('declined')
    })

    it('is refused after a void', async () => {
      await provider.authorize(order())
      await provider.void(order().paymentId)
      await expect(provider.capture(order().paymentId)).rejects.toThrow(Error)
      expect(await status()).toBe('voided')
    })

    it('touches no other payment', async () => {
      const other = '0197a1b2-0000-7000-8000-000000000002'
      await provider.authorize(order())
      await provider.authorize(order({ paymentId: other }))
      await provider.capture(order().paymentId)
      expect(await status(other)).toBe('authorized')
    })
  })

  describe(`${name}: voiding`, () => {
    it('gives up the authorisation, once or many times', async () => {
      await provider.authorize(order())
      await provider.void(order().paymentId)
      await provider.void(order().paymentId)
      expect(await status()).toBe('voided')
    })

    it('leaves a declined payment declined', async () => {
      await provider.authorize(order({ method: current.methods.declines }))
      await provider.void(order().paymentId)
      expect(await status()).toBe('declined')
    })

    it('is refused once the money has moved', async () => {
      await provider.authorize(order())
      await provider.capture(order().paymentId)
      await expect(provider.void(order().paymentId)).rejects.toThrow(AlreadyCapturedError)
      expect(await status()).toBe('captured')
    })

    it('of an unknown id makes sure that none can be authorised later', async () => {
      await provider.void(order().paymentId)
      expect(await provider.authorize(order())).toEqual({ kind: 'declined', code: 'voided' })
      expect(await status()).toBe('voided')
    })

    it('of an authorised payment makes a repeated authorisation a decline', async () => {
      await provider.authorize(order())
      await provider.void(order().paymentId)
      expect(await provider.authorize(order())).toEqual({ kind: 'declined', code: 'voided' })
    })

    it('and capturing at once: exactly one of them happens', async () => {
      await provider.authorize(order())
      const [captured, voided] = await Promise.allSettled([
        provider.capture(order().paymentId),
        provider.void(order().paymentId),
      ])
      expect([captured.status, voided.status].sort()).toEqual(['fulfilled', 'rejected'])
      expect(await status()).toBe(captured.status === 'fulfilled' ? 'captured' : 'voided')
    })
  })

  it(`${name}: knows nothing of an id it never heard of`, async () => {
    expect(await provider.find(order().paymentId)).toBeUndefined()
  })
}
