import { describe, expect, it } from 'vitest'
import { currencies, formatMoney, minorUnitDigits } from './currency.ts'

describe('currencies', () => {
  it('are those of ISO 4217 that are money, and no others', () => {
    const money = ['EUR', 'USD', 'IDR', 'JPY', 'BHD', 'XAF', 'XOF', 'XCD', 'XPF']
    expect(money.filter((code) => !currencies.includes(code))).toEqual([])
    const none = ['ZZZ', 'XXX', 'XTS', 'XDR', 'XSU', 'XAU', 'eur', '']
    expect(none.filter((code) => currencies.includes(code))).toEqual([])
  })

  it.each([
    ['EUR', 2, 1_999, '19.99 EUR'],
    ['IDR', 2, 5, '0.05 IDR'],
    ['JPY', 0, 1_999, '1999 JPY'],
    ['BHD', 3, 1_999, '1.999 BHD'],
    ['CLF', 4, 1, '0.0001 CLF'],
  ])('%s has %d digits', (currency, digits, amount, shown) => {
    expect(minorUnitDigits(currency)).toBe(digits)
    expect(formatMoney(amount, currency)).toBe(shown)
  })
})
