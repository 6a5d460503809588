import type { IncomingMessage, ServerResponse } from 'node:http'
import { cannedAnswer, cannedKind, cannedStock, type CannedAnswer } from './canned-answers.ts'
import { listen } from './listen.ts'

/** Contender `bare`: node:http parses the JSON and answers. Nothing in Node can be faster than this. */
const kind = cannedKind()

function serve(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'GET') {
    send(response, { status: 200, contentType: 'application/json', body: cannedStock })
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
  })
  request.on('end', () => {
    const wish: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    send(response, cannedAnswer(kind, wish))
  })
}

function send(response: ServerResponse, { status, contentType, body }: CannedAnswer): void {
  const text = JSON.stringify(body)
  const length = Buffer.byteLength(text)
  response.writeHead(status, { 'content-type': contentType, 'content-length': length })
  response.end(text)
}

listen('bare', serve)
