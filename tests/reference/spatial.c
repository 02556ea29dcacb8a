/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "reference/operators.h"

/* Row of position (y, x), or -1 where the site is inactive or outside: counted anew every time, so
 * that no table can be wrong. */
static int64_t row_at(reference_grid grid, int y, int x)
{
    if (y < 0 || y >= grid.height || x < 0 || x >= grid.width) return -1;
    if (!grid.active[y * grid.width + x]) return -1;
    int64_t row = 0;
    for (int i = 0; i < y * grid.width + x; i++) row += grid.active[i] != 0;
    return row;
}

int64_t reference_sites(reference_grid grid)
{
    int64_t sites = 0;
    for (int i = 0; i < grid.height * grid.width; i++) sites += grid.active[i] != 0;
    return sites;
}

void reference_gather(reference_grid grid, int channels, const double *map, double *rows)
{
    for (int i = 0; i < grid.height * grid.width; i++)
        if (grid.active[i]) {
            memcpy(rows, map + (int64_t)i * channels, (size_t)channels * sizeof *rows);
            rows += channels;
        }
}

void reference_scatter(reference_grid grid, int channels, const double *rows, double *map)
{
    for (int i = 0; i < grid.height * grid.width; i++) {
        double *place = map + (int64_t)i * channels;
        for (int c = 0; c < channels; c++) place[c] = grid.active[i] ? *rows++ : 0;
    }
}

void reference_patch_convolution(reference_grid grid, int patch, int in, int out,
                                 const double *image, const double *weight, const double *bias,
                                 double *y)
{
    int height = grid.height * patch, width = grid.width * patch;
    for (int sy = 0; sy < grid.height; sy++)
        for (int sx = 0; sx < grid.width; sx++) {
            int64_t row = row_at(grid, sy, sx);
            if (row < 0) continue;
            for (int o = 0; o < out; o++) {
                double sum = bias[o];
                for (int i = 0; i < in; i++)
                    for (int ky = 0; ky < patch; ky++)
                        for (int kx = 0; kx < patch; kx++)
                            sum += weight[((o * in + i) * patch + ky) * patch + kx] *
                                   image[(i * height + sy * patch + ky) * width + sx * patch + kx];
                y[row * out + o] = sum;
            }
        }
}

void reference_patch_convolution_backward(reference_grid grid, int patch, int in, int out,
                                          const double *image, const double *weight,
                                          const double *dy, double *dimage, double *dweight,
                                          double *dbias)
{
    int height = grid.height * patch, width = grid.width * patch;
    memset(dimage, 0, (size_t)(in * height * width) * sizeof *dimage);
    for (int sy = 0; sy < grid.height; sy++)
        for (int sx = 0; sx < grid.width; sx++) {
            int64_t row = row_at(grid, sy, sx);
            if (row < 0) continue;
            for (int o = 0; o < out; o++) {
                double d = dy[row * out + o];
                dbias[o] += d;
                for (int i = 0; i < in; i++)
                    for (int ky = 0; ky < patch; ky++)
                        for (int kx = 0; kx < patch; kx++) {
                            int w = ((o * in + i) * patch + ky) * patch + kx;
                            int p = (i * height + sy * patch + ky) * width + sx * patch + kx;
                            dweight[w] += d * image[p];
                            dimage[p] += d * weight[w];
                        }
            }
        }
}

void reference_depthwise(reference_grid grid, int channels, const double *x, const double *weight,
                         const double *bias, double *y)
{
    for (int sy = 0; sy < grid.height; sy++)
        for (int sx = 0; sx < grid.width; sx++) {
            int64_t row = row_at(grid, sy, sx);
            if (row < 0) continue;
            for (int c = 0; c < channels; c++) y[row * channels + c] = bias[c];
            for (int ky = 0; ky < 7; ky++)
                for (int kx = 0; kx < 7; kx++) {
                    int64_t neighbour = row_at(grid, sy + ky - 3, sx + kx - 3);
                    if (neighbour < 0) continue;
                    for (int c = 0; c < channels; c++)
                        y[row * channels + c] += weight[(c * 7 + ky) * 7 + kx] *
                                                 x[neighbour * channels + c];
                }
        }
}

void reference_depthwise_backward(reference_grid grid, int channels, const double *x,
                                  const double *weight, const double *dy, double *dx,
                                  double *dweight, double *dbias)
{
    memset(dx, 0, (size_t)(reference_sites(grid) * channels) * sizeof *dx);
    for (int sy = 0; sy < grid.height; sy++)
        for (int sx = 0; sx < grid.width; sx++) {
            int64_t row = row_at(grid, sy, sx);
            if (row < 0) continue;
            for (int c = 0; c < channels; c++) dbias[c] += dy[row * channels + c];
            for (int ky = 0; ky < 7; ky++)
                for (int kx = 0; kx < 7; kx++) {
                    int64_t neighbour = row_at(grid, sy + ky - 3, sx + kx - 3);
                    if (neighbour < 0) continue;
                    for (int c = 0; c < channels; c++) {
                        double d = dy[row * channels + c];
                        dweight[(c * 7 + ky) * 7 + kx] += d * x[neighbour * channels + c];
                        dx[neighbour * channels + c] += d * weight[(c * 7 + ky) * 7 + kx];
                    }
                }
        }
}

/* Rows of the four children of (y, x), -1 where absent; returns how many there are. */
static int find_children(reference_grid grid, int y, int x, int64_t child[4])
{
    int present = 0;
    for (int k = 0; k < 4; k++) {
        child[k] = row_at(grid, 2 * y + k / 2, 2 * x + k % 2);
        present += child[k] >= 0;
    }
    return present;
}

void reference_parents(reference_grid grid, uint8_t *parents)
{
    int64_t child[4];
    for (int y = 0; y < grid.height / 2; y++)
        for (int x = 0; x < grid.width / 2; x++) *parents++ = find_children(grid, y, x, child) > 0;
}

void reference_downsample(reference_grid grid, int in, int out, const double *x,
                          const double *weight, const double *bias, double *y)
{
    int64_t row = 0;
    for (int sy = 0; sy < grid.height / 2; sy++)
        for (int sx = 0; sx < grid.width / 2; sx++) {
            int64_t child[4];
            if (find_children(grid, sy, sx, child) == 0) continue;
            for (int o = 0; o < out; o++) {
                double sum = bias[o];
                for (int k = 0; k < 4; k++)
                    for (int i = 0; i < in && child[k] >= 0; i++)
                        sum += weight[(o * in + i) * 4 + k] * x[child[k] * in + i];
                y[row * out + o] = sum;
            }
            row++;
        }
}

void reference_downsample_backward(reference_grid grid, int in, int out, const double *x,
                                   const double *weight, const double *dy, double *dx,
                                   double *dweight, double *dbias)
{
    int64_t row = 0;
    memset(dx, 0, (size_t)(reference_sites(grid) * in) * sizeof *dx);
    for (int sy = 0; sy < grid.height / 2; sy++)
        for (int sx = 0; sx < grid.width / 2; sx++) {
            int64_t child[4];
            if (find_children(grid, sy, sx, child) == 0) continue;
            for (int o = 0; o < out; o++) {
                double d = dy[row * out + o];
                dbias[o] += d;
                for (int k = 0; k < 4; k++)
                    for (int i = 0; i < in && child[k] >= 0; i++) {
                        dweight[(o * in + i) * 4 + k] += d * x[child[k] * in + i];
                        dx[child[k] * in + i] += d * weight[(o * in + i) * 4 + k];
                    }
            }
            row++;
        }
}
