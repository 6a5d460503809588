/** Entries of the ISO 4217 list that are no money of a shop: drawing rights and codes for tests or nothing. */
const notMoney = /^X(?!AF|CD|CG|OF|PF)/

/** The currencies of ISO 4217, as the runtime knows them, in capital letters. */
export const currencies: readonly string[] = Intl.supportedValuesOf('currency').filter(
  (code) => !notMoney.test(code),
)

/**
 * The digits of minor units, by ISO 4217, where they are not two. Intl is not asked: it has the digits that
 * people write, 0 for IDR and HUF, while payment providers count by ISO.
 */
const unusualDigits: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
}

/** Gives the number of digits of a currency's minor unit: 2 for EUR, 0 for JPY, 3 for BHD. */
export function minorUnitDigits(currency: string): number {
  const found = Object.entries(unusualDigits).find(([, codes]) =>
    codes.split(' ').includes(currency),
  )
  return found === undefined ? 2 : Number(found[0])
}

/** Writes an amount in minor units for people: `1999` in EUR is `19.99 EUR`, in JPY `1999 JPY`. */
export function formatMoney(amountMinor: number, currency: string): string {
  const digits = minorUnitDigits(currency)
  const padded = String(amountMinor).padStart(digits + 1, '0')
  const whole = padded.slice(0, padded.length - digits)
  return `${digits === 0 ? whole : `${whole}.${padded.slice(-digits)}`} ${currency}`
}
