"use strict";
// Joins the page's controls to the scene.

(() => {
  const $ = (id) => document.getElementById(id);
  const stage = $("stage");
  const facts = JSON.parse($("facts").textContent);
  const file = decodeBase64($("head-glb").textContent);
  $("download").href = URL.createObjectURL(new Blob([file], {type: "model/gltf-binary"}));

  const head = parseGlb(file.buffer);
  const canvas = $("canvas");
  let scene;
  try {
    scene = new HeadScene(canvas, head, facts.faceCentre);
  } catch (error) {
    stage.classList.add("still");
    return;
  }
  stage.classList.add("live");

  const names = head.targets.map((target) => target.name);
  let weights = head.weights.slice(); // what the sliders say
  let goal = null; // weights and orbit on the way to which the head is
  const idle = new IdleMotion();
  let idleSince = null;
  let visible = true;
  let pending = false;

  // --- drawing ---
  const redraw = () => {
    if (!pending) {
      pending = true;
      requestAnimationFrame(frame);
    }
  };

  function frame(now) {
    pending = false;
    if (goal) advance();
    const motion = idleSince === null ? null : idle.at((now - idleSince) / 1000);
    scene.pose(motion ? addIdle(names, weights, motion.weights) : weights);
    const {yaw, pitch} = scene.orbit;
    if (motion) Object.assign(scene.orbit, {yaw: yaw + motion.yaw, pitch: pitch + motion.pitch});
    scene.draw();
    Object.assign(scene.orbit, {yaw, pitch});
    if (visible && (goal || motion)) redraw();
  }

  function advance() {
    let left = 0;
    const towards = (value, wanted) => {
      left = Math.max(left, Math.abs(wanted - value));
      return Math.abs(wanted - value) < 2e-3 ? wanted : value + 0.22 * (wanted - value);
    };
    weights = weights.map((value, k) => towards(value, goal.weights[k]));
    const {orbit} = scene;
    for (const key of ["yaw", "pitch", "zoom"]) orbit[key] = towards(orbit[key], goal.orbit[key]);
    orbit.pan = orbit.pan.map((value, k) => towards(value, goal.orbit.pan[k]));
    showWeights();
    if (left < 2e-3) goal = null;
  }

  /** Move smoothly to expression weights by name (absent: zero) and, if given, to a view. */
  function goTo(expression, orbit = scene.orbit) {
    goal = {weights: names.map((name) => expression[name] || 0), orbit: {...scene.orbit, ...orbit}};
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      weights = goal.weights;
      Object.assign(scene.orbit, goal.orbit);
      goal = null;
      showWeights();
    }
    redraw();
  }

  // --- sliders ---
  const rows = [];
  for (const [title, members] of groupExpressions(names)) {
    const group = $("group-template").content.firstElementChild.cloneNode(true);
    group.querySelector("summary").textContent = title;
    group.open = /^(Brows|Jaw)$/.test(title); // short ones; the others would fill the panel
    for (const k of members) {
      const row = $("slider-template").content.firstElementChild.cloneNode(true);
      const [label, slider, output] = [row.querySelector("span"), row.querySelector("input"), row.querySelector("output")];
      label.textContent = expressionLabel(names[k]);
      row.title = names[k];
      slider.setAttribute("aria-label", `${title}: ${label.textContent} (${names[k]})`);
      slider.addEventListener("input", () => setWeight(k, Number(slider.value)));
      rows[k] = {slider, output};
      group.append(row);
    }
    $("sliders").append(group);
  }

  function setWeight(k, value) {
    goal = null;
    weights[k] = value;
    const partner = $("both-sides").checked ? partnerOf(names[k], names) : null;
    if (partner) weights[names.indexOf(partner)] = value;
    showWeights();
    press(null);
    redraw();
  }

  function showWeights() {
    rows.forEach(({slider, output}, k) => {
      slider.value = weights[k];
      slider.style.setProperty("--fill", `${100 * weights[k]}%`);
      output.textContent = weights[k] < 5e-3 ? "" : weights[k].toFixed(2);
    });
  }

  // --- expressions of the photos ---
  const presets = [...document.querySelectorAll("[data-preset]")];
  function press(chosen) {
    for (const button of presets) button.setAttribute("aria-pressed", String(button.dataset.preset === chosen));
  }
  function choose(preset) {
    const photo = facts.photos[Number(preset) - 1];
    press(preset);
    if (photo) goTo(photo.expression, {yaw: radians(photo.yaw), pitch: radians(photo.pitch), pan: [0, 0]});
    else goTo({}, {yaw: 0, pitch: 0, zoom: 1, pan: [0, 0]});
  }
  for (const button of presets) button.addEventListener("click", () => choose(button.dataset.preset));

  // --- looks ---
  function setLook(textured) {
    scene.look.textured = textured;
    $("texture").setAttribute("aria-pressed", String(textured));
    $("clay").setAttribute("aria-pressed", String(!textured));
    redraw();
  }
  function setWireframe(on) {
    scene.look.wireframe = on;
    $("wireframe").setAttribute("aria-pressed", String(on));
    redraw();
  }
  function setIdle(on) {
    idleSince = on ? performance.now() - 1000 * (idle.nextBlink - 1.5) : null;
    $("idle").setAttribute("aria-pressed", String(on));
    redraw();
  }
  function setLight(degrees) {
    scene.look.lightDegrees = degrees;
    $("light").value = degrees;
    redraw();
  }
  $("texture").addEventListener("click", () => setLook(true));
  $("clay").addEventListener("click", () => setLook(false));
  $("wireframe").addEventListener("click", () => setWireframe(!scene.look.wireframe));
  $("idle").addEventListener("click", () => setIdle(idleSince === null));
  $("light").addEventListener("input", () => setLight(Number($("light").value)));
  $("reset").addEventListener("click", () => {
    setLight(-35);
    choose("neutral");
  });

  orbitWithPointer(canvas, scene, () => {
    if (goal) goal.orbit = {...scene.orbit};
    stage.classList.add("used");
    redraw();
  });

  // --- start ---
  const address = readAddress(location.hash);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const {orbit} = scene;
  const photo = facts.photos[address.photo - 1];
  const start = {...(photo ? photo.expression : {}), ...address.expression};
  if (Object.keys(start).length) weights = names.map((name) => start[name] || 0);
  if (photo) Object.assign(orbit, {yaw: radians(photo.yaw), pitch: radians(photo.pitch)});
  if (address.yaw !== null) orbit.yaw = radians(address.yaw);
  if (address.pitch !== null) orbit.pitch = radians(address.pitch);
  if (address.zoom !== null) orbit.zoom = Math.min(Math.max(address.zoom, 0.5), 6);
  press(photo ? String(address.photo) : weights.some((weight) => weight > 0) ? null : "neutral");
  setLook(!address.clay);
  setWireframe(address.wireframe);
  setLight(address.light === null ? -35 : address.light);
  setIdle(address.idle === null ? !calm && !Object.keys(start).length : address.idle);
  showWeights();
  scene.loadTexture().then(redraw);
  new ResizeObserver(redraw).observe(canvas);
  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible) redraw();
  }).observe(canvas);

  function radians(degrees) {
    return degrees * Math.PI / 180;
  }

  function decodeBase64(text) {
    const characters = atob(text.trim());
    const bytes = new Uint8Array(characters.length);
    for (let k = 0; k < bytes.length; k++) bytes[k] = characters.charCodeAt(k);
    return bytes;
  }
})();
