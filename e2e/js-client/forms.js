'use strict'

// The forms in which the client takes actions, names and options.
const assert = require('node:assert/strict')
const { client, namespace } = require('./connect')

const ECHO = 'function main(args) { return args }'
// An archive with one file, index.js, whose main gives { from: 'zip' }.
const ZIP = 'UEsDBBQAAAAAAAAAIQAnYplZJwAAACcAAAAIAAAAaW5kZXguanNleHBvcnRzLm1haW4gPSAoKSA9PiAoeyBmcm9tOiAnemlwJyB9' +
  'KQpQSwECFAMUAAAAAAAAACEAJ2KZWScAAAAnAAAACAAAAAAAAAAAAAAAgAEAAAAAaW5kZXguanNQSwUGAAAAAAEAAQA2AAAATQAA' +
  'AAAA'

const result = (name, params = {}) => client.actions.invoke({ name, params, blocking: true, result: true })

async function code () {
  await client.actions.create({ name: 'zip', action: Buffer.from(ZIP, 'base64') })
  assert.deepEqual(await result('zip'), { from: 'zip' })
  await client.actions.create({ name: 'python', action: "def main(a): return {'n': a['n']}", kind: 'python:default' })
  assert.deepEqual(await result('python', { n: [1, null] }), { n: [1, null] })
  await client.actions.create({ name: 'main', action: 'exports.f = () => ({ m: 1 })', exec: { main: 'f' } })
  assert.deepEqual(await result('main'), { m: 1 })
  const whole = { exec: { kind: 'nodejs:default', code: ECHO }, annotations: [{ key: 'note', value: 'own' }] }
  const stored = await client.actions.create({ name: 'whole', action: whole })
  assert.ok(stored.annotations.some(({ key, value }) => key === 'note' && value === 'own'))
}

async function members () {
  const limits = { timeout: 1000, memory: 128 }
  const created = await client.actions.create({ name: 'a b', action: ECHO, version: '1.2.3', limits })
  assert.equal(created.version, '1.2.3')
  assert.deepEqual(created.limits, { ...limits, logs: 10, concurrency: 1 })
  const updated = await client.actions.update({ name: 'a b', limits: { logs: 0 } })
  assert.deepEqual(updated.limits, { ...limits, logs: 0, concurrency: 1 })
  assert.equal(updated.exec.code, ECHO)
}

async function names () {
  for (const name of ['a b', `/${namespace}/a b`, '/_/a b']) {
    const { name: read } = await client.actions.get(name)
    assert.equal(read, 'a b')
  }
  const read = await client.actions.get({ name: 'a b', namespace })
  assert.equal(read.namespace, namespace)
  const several = await client.actions.get(['a b', 'whole'])
  assert.deepEqual(several.map(({ name }) => name), ['a b', 'whole'])
  const started = await client.actions.invoke(['a b', 'whole'])
  started.forEach(({ activationId }) => assert.match(activationId, /^[0-9a-f]{32}$/))
  await assert.rejects(client.actions.get('package/a'), { statusCode: 404 })
  await assert.rejects(client.actions.create({ name: 'a+b', action: ECHO }), { statusCode: 400 })
}

async function options () {
  const page = await client.actions.list({ limit: 1, skip: 1 })
  assert.equal(page.length, 1)
  const { activations } = await client.activations.list({ count: true, upto: Date.now() + 60_000 })
  assert.equal(typeof activations, 'number')
  assert.deepEqual(await client.activations.list({ name: 'never', limit: 1, skip: 0, docs: false }), [])
  // What an action passes on is the id of the failure.
  process.env.__OW_TRANSACTION_ID = 'of-the-caller'
  await assert.rejects(client.actions.get('none'), error => error.error.code === 'of-the-caller')
  delete process.env.__OW_TRANSACTION_ID
}

async function namespaces () {
  assert.deepEqual(await client.namespaces.list(), [namespace])
  const { actions, ...others } = await client.namespaces.get()
  assert.equal(actions.length, 5)
  assert.deepEqual(others, { packages: [], triggers: [], rules: [] })
}

async function main () {
  await code()
  await members()
  await names()
  await options()
  await namespaces()
  const removed = await client.actions.delete(['zip', 'python', 'main', 'whole', 'a b'])
  assert.equal(removed.length, 5)
}

main().catch(error => {
  console.error(error)
  process.exitCode = 1
})
