/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/**
 * A scene is a background (a colour gradient and soft noise) and up to three objects, each a shape
 * given by its signed distance with a bevelled rim, a texture, a light and a soft shadow. The last
 * object drawn is the main one; the distractors are smaller, further out, and of any class.
 *
 * Lengths are in units of the picture's side; the centre is (0, 0).
 */
#include "data/scene.h"

#include <math.h>
#include <stddef.h>

#include "core/random.h"

#define SHAPES 10
#define TEXTURES 8
#define SAMPLES 2 /* per axis and pixel */
#define PI 3.14159265358979323846

typedef struct colour {
    double r, g, b;
} colour;

typedef struct object {
    int shape, texture;
    double x, y, radius, cosine, sine;
    double frequency, phase_x, phase_y; /* of the texture, in object coordinates */
    double bevel;
    colour dark, bright;
    uint32_t noise;
} object;

typedef struct scene {
    object objects[3];
    int count;
    colour corner[4]; /* background */
    double noise_amount, noise_scale;
    uint32_t noise;
    double light_x, light_y, light_z;
    double grain;
} scene;

static double uniform(fcmae_random *random, double low, double high)
{
    return low + (high - low) * fcmae_random_uniform(random);
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double mix(double a, double b, double t)
{
    return a + (b - a) * t;
}

static colour mix_colours(colour a, colour b, double t)
{
    return (colour){mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)};
}

/** 0 below `low`, 1 above `high`, smooth between. */
static double step_between(double low, double high, double x)
{
    double t = clamp((x - low) / (high - low), 0, 1);
    return t * t * (3 - 2 * t);
}

static colour from_hue(double hue, double saturation, double value)
{
    double channel[3];
    for (int i = 0; i < 3; i++) {
        double k = fmod(hue * 6 + 6 - 2 * i, 6); /* distance on the colour wheel */
        double tint = clamp(fabs(k > 3 ? k - 6 : k) - 1, 0, 1);
        channel[i] = value * (1 - saturation * tint);
    }
    return (colour){channel[0], channel[1], channel[2]};
}

/* ------------------------------------------------------------ noise */

static double lattice(uint32_t noise, int x, int y)
{
    uint32_t h = noise ^ ((uint32_t)x * 0x85EBCA6Bu) ^ ((uint32_t)y * 0xC2B2AE35u);
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    return (double)(h ^ h >> 15) * 0x1p-32;
}

/** Smooth noise in [0, 1]. */
static double value_noise(uint32_t noise, double x, double y)
{
    double fx = floor(x), fy = floor(y);
    int ix = (int)fx, iy = (int)fy;
    double tx = step_between(0, 1, x - fx), ty = step_between(0, 1, y - fy);
    return mix(mix(lattice(noise, ix, iy), lattice(noise, ix + 1, iy), tx),
               mix(lattice(noise, ix, iy + 1), lattice(noise, ix + 1, iy + 1), tx), ty);
}

static double cloud_noise(uint32_t noise, double x, double y)
{
    return (4 * value_noise(noise, x, y) + 2 * value_noise(noise + 1, 2 * x, 2 * y) +
            value_noise(noise + 2, 4 * x, 4 * y)) /
           7;
}

/* ------------------------------------------------------------ shapes and textures */

/** Distance to a regular polygon's edge, negative inside; `waist` < 1 makes it a star. */
static double polygon(double x, double y, int corners, double waist)
{
    double sector = 2 * PI / corners, angle = atan2(y, x);
    angle = fabs(angle - sector * rint(angle / sector)); /* 0: corner, sector / 2: waist */
    double r = hypot(x, y), half = sector / 2;
    /* the edge from the corner (1, 0) to the waist */
    double ex = waist * cos(half) - 1, ey = waist * sin(half), length = hypot(ex, ey);
    return ((r * sin(angle)) * -ex + (r * cos(angle) - 1) * ey) / length;
}

/** Signed distance (roughly) to the shape of radius 1; negative inside. */
static double distance_to_shape(int shape, double x, double y)
{
    double r = hypot(x, y), ax = fabs(x), ay = fabs(y);
    switch (shape) {
    case 0: return r - 0.9;                                                      /* disc */
    case 1: return fmax(ax, ay) - 0.75;                                          /* square */
    case 2: return polygon(x, y, 3, 0.5);                                        /* triangle */
    case 3: return fabs(r - 0.68) - 0.24;                                        /* ring */
    case 4: return polygon(x, y, 5, 0.42);                                       /* star */
    case 5: return fmin(fmax(ax - 0.28, ay - 0.95), fmax(ax - 0.95, ay - 0.28)); /* cross */
    case 6: return fmax(r - 0.95, 0.75 - hypot(x - 0.45, y));                    /* crescent */
    case 7: return hypot(x / 0.95, y / 0.5) * 0.5 - 0.5;                         /* ellipse */
    case 8: return r - 0.72 - 0.2 * cos(7 * atan2(y, x));                        /* flower */
    default: return fmax(fabs(ay - 0.5) - 0.28, ax - 0.9);                       /* two bars */
    }
}

/** Brightness of the texture in [0, 1]. */
static double texture_value(const object *o, double x, double y)
{
    double u = x * o->frequency + o->phase_x, v = y * o->frequency + o->phase_y;
    double edge = 0.12;
    switch (o->texture) {
    case 0: return 0.5 + 0.5 * clamp(y, -1, 1);                                       /* shaded */
    case 1: return step_between(-edge, edge, sin(2 * PI * u) * 0.5);                  /* stripes */
    case 2: return step_between(-edge, edge, sin(2 * PI * u) * sin(2 * PI * v));      /* checks */
    case 3: return step_between(0.36, 0.26, hypot(u - rint(u), v - rint(v)));         /* dots */
    case 4: return 0.5 + 0.5 * sin(2 * PI * o->frequency * hypot(x, y) + o->phase_x); /* rings */
    case 5: return step_between(0.35, 0.65, cloud_noise(o->noise, 1.5 * u, 1.5 * v)); /* marble */
    case 6: return 0.5 + 0.5 * sin(2 * PI * (u + 0.3 * sin(2 * PI * v)));             /* waves */
    default:
        return fmod(fabs(floor(2 * v)), 2) > 0 /* bricks */
                   ? step_between(0.06, 0.14, fabs(u - rint(u)))
                   : step_between(0.06, 0.14, fabs(u + 0.5 - rint(u + 0.5)));
    }
}

/* ------------------------------------------------------------ composition */

static void draw_object(object *o, fcmae_random *random, int label)
{
    int level = label / (SHAPES * TEXTURES);
    o->shape = label % SHAPES;
    o->texture = (label / SHAPES + label) % TEXTURES; /* every pair once in 80 labels */
    double turn = uniform(random, 0, 2 * PI), hue = fcmae_random_uniform(random);
    o->cosine = cos(turn);
    o->sine = sin(turn);
    o->frequency = uniform(random, 1.1, 1.7) * pow(1.25, level);
    o->phase_x = fcmae_random_uniform(random);
    o->phase_y = fcmae_random_uniform(random);
    o->bevel = uniform(random, 0.08, 0.3);
    o->noise = fcmae_random_u32(random);
    o->dark = from_hue(hue, uniform(random, 0.4, 1), uniform(random, 0.15, 0.5));
    o->bright = from_hue(fmod(hue + uniform(random, 0.0, 0.35), 1), uniform(random, 0.1, 0.9),
                         uniform(random, 0.65, 1));
}

static void draw_scene(scene *s, fcmae_random *random, int label)
{
    double hue = fcmae_random_uniform(random);
    for (int i = 0; i < 4; i++)
        s->corner[i] = from_hue(fmod(hue + uniform(random, 0, 0.25), 1), uniform(random, 0, 0.7),
                                uniform(random, 0.2, 0.95));
    s->noise_amount = uniform(random, 0.1, 0.5);
    s->noise_scale = uniform(random, 2, 9);
    s->noise = fcmae_random_u32(random);
    double azimuth = uniform(random, 0, 2 * PI), height = uniform(random, 0.5, 1.1);
    s->light_x = cos(azimuth) * cos(height);
    s->light_y = sin(azimuth) * cos(height);
    s->light_z = sin(height);
    s->grain = uniform(random, 0, 0.04);
    s->count = 1 + (int)fcmae_random_below(random, 3);
    for (int i = 0; i < s->count; i++) {
        int main_object = i == s->count - 1;
        object *o = &s->objects[i];
        draw_object(o, random,
                    main_object ? label : (int)fcmae_random_below(random, SHAPES * TEXTURES));
        o->radius = main_object ? uniform(random, 0.2, 0.38) : uniform(random, 0.08, 0.16);
        double reach = main_object ? 0.5 - 0.8 * o->radius : 0.5, away = main_object ? 0 : 0.3;
        double angle = uniform(random, 0, 2 * PI), far = uniform(random, away, reach);
        o->x = far * cos(angle);
        o->y = far * sin(angle);
    }
}

static double object_distance(const object *o, double x, double y, double *u, double *v)
{
    double dx = (x - o->x) / o->radius, dy = (y - o->y) / o->radius;
    *u = o->cosine * dx + o->sine * dy;
    *v = o->cosine * dy - o->sine * dx;
    return distance_to_shape(o->shape, *u, *v);
}

/** Lambert and a highlight on a rim that falls away within `bevel` of the edge. */
static colour shade(const scene *s, const object *o, double x, double y, colour base)
{
    const double h = 1e-3;
    double u, v, d = object_distance(o, x, y, &u, &v);
    double rise = clamp(-d / o->bevel, 0, 1);
    double gx = object_distance(o, x + h * o->radius, y, &u, &v) - d;
    double gy = object_distance(o, x, y + h * o->radius, &u, &v) - d;
    double slope = (1 - rise) / h, nx = gx * slope, ny = gy * slope;
    double length = sqrt(nx * nx + ny * ny + 1);
    double facing = (nx * s->light_x + ny * s->light_y + s->light_z) / length;
    double diffuse = 0.35 + 0.65 * clamp(facing, 0, 1), shine = 0.5 * pow(clamp(facing, 0, 1), 24);
    return (colour){base.r * diffuse + shine, base.g * diffuse + shine, base.b * diffuse + shine};
}

static colour sample_scene(const scene *s, double x, double y)
{
    colour top = mix_colours(s->corner[0], s->corner[1], x + 0.5);
    colour bottom = mix_colours(s->corner[2], s->corner[3], x + 0.5);
    colour result = mix_colours(top, bottom, y + 0.5);
    double cloud = cloud_noise(s->noise, x * s->noise_scale + 100, y * s->noise_scale + 100);
    double light = 1 + s->noise_amount * (2 * cloud - 1);
    result = (colour){result.r * light, result.g * light, result.b * light};
    for (int i = 0; i < s->count; i++) {
        const object *o = &s->objects[i];
        double u, v, offset = 0.12 * o->radius;
        double under = object_distance(o, x + offset * s->light_x, y + offset * s->light_y, &u, &v);
        double shadow = 0.45 + 0.55 * step_between(-0.15, 0.25, under);
        result = (colour){result.r * shadow, result.g * shadow, result.b * shadow};
        if (object_distance(o, x, y, &u, &v) < 0)
            result = shade(s, o, x, y, mix_colours(o->dark, o->bright, texture_value(o, u, v)));
    }
    return result;
}

void fcmae_scene_render(uint8_t *pixels, int size, int label, uint64_t seed, uint32_t part,
                        uint64_t number)
{
    fcmae_random random = fcmae_random_start(seed, FCMAE_RANDOM_SYNTHETIC, part, number);
    scene s = {.count = 0};
    draw_scene(&s, &random, label);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            colour sum = {0, 0, 0};
            for (int i = 0; i < SAMPLES * SAMPLES; i++) {
                double sx = (x + (i % SAMPLES + 0.5) / SAMPLES) / size - 0.5;
                double sy = (y + (i / SAMPLES + 0.5) / SAMPLES) / size - 0.5;
                colour one = sample_scene(&s, sx, sy);
                sum = (colour){sum.r + one.r, sum.g + one.g, sum.b + one.b};
            }
            double value[3] = {sum.r, sum.g, sum.b};
            double grain = s.grain * uniform(&random, -1, 1);
            for (int c = 0; c < 3; c++)
                pixels[((size_t)y * (size_t)size + (size_t)x) * 3 + (size_t)c] = (uint8_t)lrint(
                    255 * clamp(value[c] / (SAMPLES * SAMPLES) + grain, 0, 1));
        }
}
