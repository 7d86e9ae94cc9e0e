// One tick of the flow, out of the bytes that batch.py made of it.

function unpack({ rates, queues, shown }, { buffer, byteOffset, byteLength }, nodes) {
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength); // where numbers are aligned
  let from = 0;
  const next = (type, n) => {
    const array = new type(bytes, from, n);
    from += array.byteLength;
    return array;
  };
  return {
    rates: next(Float32Array, rates), queued: next(Uint32Array, queues), sent: next(Float32Array, shown), received: next(Float32Array, shown),
    queues: next(Uint16Array, queues), link: next(Uint16Array, shown), kind: next(Uint8Array, shown), states: next(Uint8Array, nodes),
  };
}
