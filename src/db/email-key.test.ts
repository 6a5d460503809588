import { describe, expect, it } from 'vitest'
import { emailKey } from './email-key.ts'

describe('an address of e-mail', () => {
  it.each([
    ['Ann@Example.COM', 'ann@example.com'],
    ['ANN@EXAMPLE.COM', 'ann@example.com'],
    ['用户@例え.jp', '用户@xn--r8jz45g.jp'],
    ['用户@XN--R8JZ45G.JP', '用户@xn--r8jz45g.jp'],
    ['用户@例え。jp', '用户@xn--r8jz45g.jp'],
    ['jo\u0308rg@bu\u0308cher.example', 'jörg@xn--bcher-kva.example'],
    ['JÖRG@BÜCHER.example', 'jörg@xn--bcher-kva.example'],
    ['ΟΔΟΣ@example.com', 'οδος@example.com'],
    ['οδοσ@example.com', 'οδος@example.com'],
    ['ДЖОН@ПОЧТА.РФ', 'джон@xn--80a1acny.xn--p1ai'],
    ["o'neill+sale@mail.example.co.uk", "o'neill+sale@mail.example.co.uk"],
    ['!#$%&*+-/=?^_`{|}~@example.com', '!#$%&*+-/=?^_`{|}~@example.com'],
    ['उपयोगकर्ता@उदाहरण.भारत', 'उपयोगकर्ता@xn--p1b6ci4b4b3a.xn--h2brj9c'],
    ['ann@EXAMPLE.com', 'ann@example.com'],
  ])('%s is unique as %s', (address, key) => {
    expect(emailKey(address)).toBe(key)
    expect(emailKey(key)).toBe(key)
  })

  it.each([
    ['ann@example.com', 'ann+sale@example.com'],
    ['ann.lee@example.com', 'annlee@example.com'],
    ['ann@example.com', 'ann@mail.example.com'],
  ])('%s is not %s', (one, other) => {
    expect(emailKey(one)).not.toBe(emailKey(other))
  })

  it.each([
    '',
    '@',
    'ann',
    'ann@',
    '@example.com',
    'ann@example',
    'ann@@example.com',
    'ann@home@example.com',
    'ann lee@example.com',
    'ann@exa mple.com',
    'ann@example..com',
    'ann@-example.com',
    'ann@example.com.',
    'ann@example.123',
    'ann@127.0.0.1',
    'ann@[127.0.0.1]',
    'ann@example.com:25',
    'ann@example.com/x',
    'ann@ex%61mple.com',
    'ann@xn--999999999.com',
    '.ann@example.com',
    'ann.@example.com',
    'a..b@example.com',
    '"ann"@example.com',
    'ann<x>@example.com',
    'ann\u0000@example.com',
    'ann\u200b@example.com',
    'ann\u00a0@example.com',
    'ann\ud800@example.com',
    `ann@${'x'.repeat(64)}.com`,
    `${'x'.repeat(65)}@example.com`,
  ])('is not %j', (text) => {
    expect(emailKey(text)).toBeUndefined()
  })
})
