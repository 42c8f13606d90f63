"use strict";
// Reads the one GLB this page carries: a single mesh with sparse morph targets and a JPEG, as facefuse writes it.

const COMPONENT = {5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array};
const WIDTH = {SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4};

/**
 * Parse a GLB into one merged head.
 *
 * @param {ArrayBuffer} file
 * @returns {{positions: Float32Array, normals: Float32Array, uvs: Float32Array, indices: Uint32Array,
 *   parts: {name: string, roughness: number, doubleSided: boolean, start: number, count: number}[],
 *   targets: {name: string, position: SparseField, normal: SparseField}[], weights: number[],
 *   image: {type: string, bytes: Uint8Array}}} lengths in metres; parts are ranges of ``indices``
 */
function parseGlb(file) {
  const view = new DataView(file);
  if (view.getUint32(0, true) !== 0x46546c67) throw new Error("not a GLB file");
  const jsonLength = view.getUint32(12, true);
  const gltf = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 20, jsonLength)));
  const binary = 20 + jsonLength + 8;

  const slice = (viewIndex, byteOffset, Type, length) => {
    const start = binary + (gltf.bufferViews[viewIndex].byteOffset || 0) + (byteOffset || 0);
    return new Type(file.slice(start, start + length * Type.BYTES_PER_ELEMENT));
  };
  const dense = (index) => {
    const accessor = gltf.accessors[index];
    return slice(accessor.bufferView, accessor.byteOffset, COMPONENT[accessor.componentType],
      accessor.count * WIDTH[accessor.type]);
  };
  const sparse = (index) => {
    const {sparse: field} = gltf.accessors[index];
    if (!field) return {index: new Uint32Array(0), value: new Float32Array(0)};
    const {indices, values} = field;
    return {
      index: slice(indices.bufferView, indices.byteOffset, COMPONENT[indices.componentType], field.count),
      value: slice(values.bufferView, values.byteOffset, Float32Array, field.count * 3),
    };
  };

  const mesh = gltf.meshes[0];
  const names = (mesh.extras && mesh.extras.targetNames) || [];
  const pieces = mesh.primitives.map((primitive) => ({
    material: gltf.materials[primitive.material],
    positions: dense(primitive.attributes.POSITION),
    normals: dense(primitive.attributes.NORMAL),
    uvs: dense(primitive.attributes.TEXCOORD_0),
    indices: dense(primitive.indices),
    targets: (primitive.targets || []).map((t) => ({position: sparse(t.POSITION), normal: sparse(t.NORMAL)})),
  }));

  const firstVertex = [];
  let vertexCount = 0;
  for (const piece of pieces) {
    firstVertex.push(vertexCount);
    vertexCount += piece.positions.length / 3;
  }
  const indices = join(Uint32Array, pieces.map((p, k) => p.indices.map((i) => i + firstVertex[k])));
  let start = 0;
  const parts = pieces.map(({material, indices: {length: count}}) => {
    const part = {
      name: material.name,
      roughness: material.pbrMetallicRoughness.roughnessFactor,
      doubleSided: Boolean(material.doubleSided),
      start,
      count,
    };
    start += count;
    return part;
  });
  const merged = (target, kind) => ({
    index: join(Uint32Array, pieces.map((p, k) => Uint32Array.from(p.targets[target][kind].index,
      (i) => i + firstVertex[k]))),
    value: join(Float32Array, pieces.map((p) => p.targets[target][kind].value)),
  });
  const image = gltf.images[0];
  return {
    positions: join(Float32Array, pieces.map((p) => p.positions)),
    normals: join(Float32Array, pieces.map((p) => p.normals)),
    uvs: join(Float32Array, pieces.map((p) => p.uvs)),
    indices,
    parts,
    targets: names.map((name, k) => ({name, position: merged(k, "position"), normal: merged(k, "normal")})),
    weights: mesh.weights || names.map(() => 0),
    image: {
      type: image.mimeType,
      bytes: slice(image.bufferView, 0, Uint8Array, gltf.bufferViews[image.bufferView].byteLength),
    },
  };
}

/** Write the head with the given expression weights into ``positions`` and ``normals`` (not yet unit length). */
function morphHead(head, weights, positions, normals) {
  positions.set(head.positions);
  normals.set(head.normals);
  head.targets.forEach((target, k) => {
    if (weights[k] !== 0) {
      addScaled(positions, target.position, weights[k]);
      addScaled(normals, target.normal, weights[k]);
    }
  });
}

function addScaled(out, {index, value}, weight) {
  for (let k = 0; k < index.length; k++) {
    const at = 3 * index[k];
    out[at] += weight * value[3 * k];
    out[at + 1] += weight * value[3 * k + 1];
    out[at + 2] += weight * value[3 * k + 2];
  }
}

function join(Type, arrays) {
  const out = new Type(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return out;
}

/** Every edge of the triangles once, as pairs of vertices. */
function uniqueEdges(indices, vertexCount) {
  const seen = new Set();
  for (let t = 0; t < indices.length; t += 3) {
    for (let k = 0; k < 3; k++) {
      const a = indices[t + k];
      const b = indices[t + (k + 1) % 3];
      seen.add(a < b ? a * vertexCount + b : b * vertexCount + a);
    }
  }
  const edges = new Uint32Array(2 * seen.size);
  let at = 0;
  for (const key of seen) {
    edges[at++] = Math.floor(key / vertexCount);
    edges[at++] = key % vertexCount;
  }
  return edges;
}

if (typeof module !== "undefined") module.exports = {parseGlb, morphHead, uniqueEdges};
