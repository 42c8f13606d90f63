"use strict";
// Draws a head with WebGL 2: textured skin or clay, wireframe, one key light, a perspective orbit camera.

const VERTEX_SHADER = `#version 300 es
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 uv;
uniform mat4 view, projection;
uniform float lift;
out vec3 vPosition, vNormal;
out vec2 vUv;
void main() {
  vec4 seen = view * vec4(position, 1.0);
  vPosition = seen.xyz;
  vNormal = mat3(view) * normal;
  vUv = uv;
  gl_Position = projection * seen;
  gl_Position.z -= lift * gl_Position.w;
}`;

// Skin scatters light: red reaches furthest past the shadow's edge, hence a wrap per channel. The texture carries the
// light of its photos, so it is shaded gently; clay is shaded in full.
const FRAGMENT_SHADER = `#version 300 es
precision highp float;
in vec3 vPosition, vNormal;
in vec2 vUv;
uniform sampler2D image;
uniform vec3 light, clay;
uniform float roughness, textured;
uniform vec4 line;
out vec4 colour;
void main() {
  if (line.a > 0.0) { colour = vec4(line.rgb * line.a, line.a); return; }
  vec3 n = normalize(gl_FrontFacing ? vNormal : -vNormal);
  vec3 v = normalize(-vPosition);
  vec3 h = normalize(light + v);
  float nl = dot(n, light), nv = max(dot(n, v), 1e-3), nh = max(dot(n, h), 0.0);
  vec3 wrap = mix(vec3(0.18), vec3(0.5, 0.32, 0.26), textured);
  vec3 key = max((nl + wrap) / (1.0 + wrap), 0.0);
  vec3 fill = mix(vec3(0.36, 0.33, 0.31), vec3(0.52, 0.54, 0.58), n.y * 0.5 + 0.5);
  float rim = pow(1.0 - nv, 3.0) * max(n.y * 0.5 + 0.5, 0.0);
  vec3 base = mix(clay, texture(image, vUv).rgb, textured);
  vec3 diffuse = base * (fill * mix(0.62, 1.05, textured) + key * mix(0.85, 0.52, textured));
  float a = roughness * roughness, a2 = a * a;
  float d = nh * nh * (a2 - 1.0) + 1.0;
  float k = (roughness + 1.0) * (roughness + 1.0) / 8.0;
  float visible = 0.25 / ((nv * (1.0 - k) + k) * (max(nl, 0.0) * (1.0 - k) + k));
  float fresnel = 0.04 + 0.96 * pow(1.0 - max(dot(h, v), 0.0), 5.0);
  vec3 linear = diffuse + min(a2 / (3.1416 * d * d) * visible * fresnel * max(nl, 0.0) * 1.6, 1.5) + rim * 0.06;
  if (!gl_FrontFacing) linear *= 0.35;
  vec3 srgb = mix(12.92 * linear, 1.055 * pow(max(linear, 0.0), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, linear));
  colour = vec4(srgb, 1.0);
}`;

const FIELD_OF_VIEW = 24 * Math.PI / 180;

class HeadScene {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param head what parseGlb returns
   * @param {number[]} faceCentre metres; where the camera looks when close
   * @throws {Error} if the browser has no WebGL 2
   */
  constructor(canvas, head, faceCentre) {
    const gl = canvas.getContext("webgl2", {antialias: true, alpha: true, premultipliedAlpha: true});
    if (!gl) throw new Error("WebGL 2 is not available");
    Object.assign(this, {canvas, gl, head, faceCentre});
    this.look = {textured: true, wireframe: false, lightDegrees: -35};
    this.orbit = {yaw: 0, pitch: 0, zoom: 1, pan: [0, 0]};
    this.positions = new Float32Array(head.positions.length);
    this.normals = new Float32Array(head.normals.length);
    this.program = buildProgram(gl);
    this.uniform = (name) => gl.getUniformLocation(this.program, name);
    this.bounds = boundsOf(head.positions);
    this.upload();
    this.pose(head.weights);
  }

  upload() {
    const {gl, head} = this;
    gl.bindVertexArray(gl.createVertexArray());
    const attribute = (location, size, data, usage) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, usage);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
      return buffer;
    };
    this.positionBuffer = attribute(0, 3, head.positions, gl.DYNAMIC_DRAW);
    this.normalBuffer = attribute(1, 3, head.normals, gl.DYNAMIC_DRAW);
    attribute(2, 2, head.uvs, gl.STATIC_DRAW);
    this.indexBuffer = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indexBuffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, head.indices, gl.STATIC_DRAW);
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.SRGB8_ALPHA8, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE,
      new Uint8Array([178, 150, 135, 255]));
  }

  /** Decode the texture; the head is drawn in an even skin tone until it is there. */
  async loadTexture() {
    const {gl} = this;
    const blob = new Blob([this.head.image.bytes], {type: this.head.image.type});
    const bitmap = await createImageBitmap(blob, {colorSpaceConversion: "none"});
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.SRGB8_ALPHA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    const finer = gl.getExtension("EXT_texture_filter_anisotropic");
    if (finer) gl.texParameterf(gl.TEXTURE_2D, finer.TEXTURE_MAX_ANISOTROPY_EXT, 4);
  }

  /** Set the expression weights. */
  pose(weights) {
    const {gl} = this;
    morphHead(this.head, weights, this.positions, this.normals);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.positionBuffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.positions);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.normalBuffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.normals);
  }

  /** Draw one frame at the size the canvas has on the page. */
  draw() {
    const {gl, canvas, look} = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(this.program);
    const {view, projection} = this.camera(width / height);
    gl.uniformMatrix4fv(this.uniform("view"), false, view);
    gl.uniformMatrix4fv(this.uniform("projection"), false, projection);
    const azimuth = look.lightDegrees * Math.PI / 180;
    const elevation = 0.55;
    gl.uniform3f(this.uniform("light"), Math.sin(azimuth) * Math.cos(elevation), Math.sin(elevation),
      Math.cos(azimuth) * Math.cos(elevation));
    gl.uniform3f(this.uniform("clay"), 0.55, 0.49, 0.44);
    gl.uniform1f(this.uniform("textured"), look.textured ? 1 : 0);
    gl.uniform1f(this.uniform("lift"), 0);
    gl.uniform4f(this.uniform("line"), 0, 0, 0, 0);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indexBuffer);
    for (const part of this.head.parts) {
      gl[part.doubleSided ? "disable" : "enable"](gl.CULL_FACE);
      gl.uniform1f(this.uniform("roughness"), look.textured ? part.roughness : 0.55);
      gl.drawElements(gl.TRIANGLES, part.count, gl.UNSIGNED_INT, 4 * part.start);
    }
    if (look.wireframe) this.drawWireframe();
  }

  drawWireframe() {
    const {gl, head} = this;
    if (!this.edgeBuffer) {
      const edges = uniqueEdges(head.indices, head.positions.length / 3);
      this.edgeBuffer = gl.createBuffer();
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.edgeBuffer);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, edges, gl.STATIC_DRAW);
      this.edgeCount = edges.length;
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.edgeBuffer);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniform1f(this.uniform("lift"), 2e-4);
    // from afar the lines run into each other: let them fade
    gl.uniform4f(this.uniform("line"), 0.05, 0.06, 0.09, Math.min(0.12 + 0.08 * this.orbit.zoom, 0.4));
    gl.drawElements(gl.LINES, this.edgeCount, gl.UNSIGNED_INT, 0);
    gl.disable(gl.BLEND);
  }

  camera(aspect) {
    const {low, high} = this.bounds;
    const {yaw, pitch, zoom, pan} = this.orbit;
    const half = low.map((value, k) => (high[k] - value) / 2);
    // far enough that the whole head fits, upright or sideways, with a little air
    const tangent = Math.tan(FIELD_OF_VIEW / 2) * Math.min(1, aspect / 0.8);
    const distance = (1.12 * half[1] / tangent + half[2] * 0.7) / zoom;
    // close up, look at the face rather than at the middle of head and neck
    const near = Math.min(Math.max((zoom - 1) / 1.5, 0), 1);
    const target = low.map((value, k) => (value + half[k]) * (1 - near) + this.faceCentre[k] * near);
    // positive yaw turns the head to its own left, positive pitch up, as in the facts
    const [cy, sy, cp, sp] = [Math.cos(yaw), -Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    const right = [cy, 0, -sy];
    const up = [sp * sy, cp, sp * cy];
    const back = [cp * sy, -sp, cp * cy];
    const along = (axis) => -(axis[0] * target[0] + axis[1] * target[1] + axis[2] * target[2]);
    const lift = 0.06 / zoom; // the toolbar covers a little of the lower edge
    const view = [
      right[0], up[0], back[0], 0,
      right[1], up[1], back[1], 0,
      right[2], up[2], back[2], 0,
      along(right) + pan[0] * half[1], along(up) + (pan[1] + lift) * half[1], along(back) - distance, 1,
    ];
    const [close, far] = [Math.max(distance - 3 * half[1], 0.01 * distance), distance + 3 * half[1]];
    const scale = 1 / Math.tan(FIELD_OF_VIEW / 2);
    const projection = [
      scale / aspect, 0, 0, 0,
      0, scale, 0, 0,
      0, 0, (far + close) / (close - far), -1,
      0, 0, 2 * far * close / (close - far), 0,
    ];
    return {view, projection};
  }
}

function boundsOf(positions) {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let k = 0; k < positions.length; k++) {
    low[k % 3] = Math.min(low[k % 3], positions[k]);
    high[k % 3] = Math.max(high[k % 3], positions[k]);
  }
  return {low, high};
}

function buildProgram(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX_SHADER], [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error("the shaders do not link");
  return program;
}

if (typeof module !== "undefined") module.exports = {HeadScene, boundsOf};
