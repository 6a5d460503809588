import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { messageSchemas, type MessageBodies, type MessageType } from './messages.ts'

export type UnreadableReason =
  'malformed' | 'unknown_version' | 'unknown_key' | 'bad_signature' | 'bad_content'

export type Opened<T> =
  | { readonly readable: true; readonly message: T }
  | { readonly readable: false; readonly reason: UnreadableReason }

/**
 * Turns messages into bytes and back. `open` returns a reason for an unreadable message and never
 * throws.
 */
export interface MessageCodec {
  seal<T extends MessageType>(type: T, topic: string, message: MessageBodies[T]): Buffer
  open<T extends MessageType>(type: T, topic: string, body: Buffer): Opened<MessageBodies[T]>
}

export interface MessageSecret {
  readonly id: string
  readonly secret: string
}

const version = 'h1'

/**
 * Signs messages as `h1.<key id>.<HMAC-SHA256, base64url>.<JSON>`. Each message type has its own
 * key, derived from the secret, and the signature covers the topic, so a message cannot be moved to
 * another topic or replayed as another type. The first secret signs and all verify: rotation needs
 * no pause.
 */
export function createSignedCodec(secrets: readonly MessageSecret[]): MessageCodec {
  const keys = new Map<string, Buffer>()
  for (const { id, secret } of secrets) {
    for (const type of Object.keys(messageSchemas))
      keys.set(`${id}/${type}`, deriveKey(secret, type))
  }
  const signingId = secrets[0]?.id
  if (signingId === undefined) throw new Error('at least one message key is needed')

  return {
    seal(type, topic, message) {
      const json = JSON.stringify(message)
      const key = keys.get(`${signingId}/${type}`)
      if (key === undefined) throw new Error(`no key for ${type}`)
      return Buffer.from(`${version}.${signingId}.${sign(key, topic, json)}.${json}`)
    },
    open(type, topic, body) {
      const envelope = parseEnvelope(body)
      if (envelope === undefined) return unreadable('malformed')
      if (envelope.version !== version) return unreadable('unknown_version')
      const key = keys.get(`${envelope.keyId}/${type}`)
      if (key === undefined) return unreadable('unknown_key')
      const expected = Buffer.from(sign(key, topic, envelope.json))
      const actual = Buffer.from(envelope.signature)
      if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) {
        return unreadable('bad_signature')
      }
      return parseContent(type, envelope.json)
    },
  }
}

/**
 * Makes the codec of the embedded broker. It signs nothing: nobody can forge a message inside one
 * process.
 */
export function createPlainCodec(): MessageCodec {
  return {
    seal: (_type, _topic, message) => Buffer.from(JSON.stringify(message)),
    open: (type, _topic, body) => parseContent(type, body.toString('utf8')),
  }
}

function deriveKey(secret: string, type: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'holdfast', `message:${type}`, 32))
}

function sign(key: Buffer, topic: string, json: string): string {
  return createHmac('sha256', key).update(`${topic}\n`).update(json).digest('base64url')
}

function parseEnvelope(body: Buffer) {
  const text = body.toString('utf8')
  const parts = /^([a-z]\d{1,3})\.([a-zA-Z0-9_-]{1,16})\.([a-zA-Z0-9_-]{43})\.(.+)$/s.exec(text)
  if (parts === null) return undefined
  const [, found = '', keyId = '', signature = '', json = ''] = parts
  return { version: found, keyId, signature, json }
}

function parseContent<T extends MessageType>(type: T, json: string): Opened<MessageBodies[T]> {
  let content: unknown
  try {
    content = JSON.parse(json)
  } catch {
    return unreadable('malformed')
  }
  const parsed = messageSchemas[type].safeParse(content)
  if (!parsed.success) return unreadable('bad_content')
  return { readable: true, message: parsed.data as MessageBodies[T] }
}

function unreadable(reason: UnreadableReason): { readable: false; reason: UnreadableReason } {
  return { readable: false, reason }
}
