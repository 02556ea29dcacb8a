/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "reference/operators.h"

/* mean and 1 / standard deviation of one row */
static void row_statistics(int channels, double epsilon, const double *x, double *mean,
                           double *rstd)
{
    double sum = 0, squares = 0;
    for (int c = 0; c < channels; c++) sum += x[c];
    *mean = sum / channels;
    for (int c = 0; c < channels; c++) squares += (x[c] - *mean) * (x[c] - *mean);
    *rstd = 1 / sqrt(squares / channels + epsilon);
}

void reference_layer_norm(int64_t rows, int channels, double epsilon, const double *x,
                          const double *weight, const double *bias, double *y)
{
    for (int64_t s = 0; s < rows; s++) {
        double mean, rstd;
        row_statistics(channels, epsilon, x + s * channels, &mean, &rstd);
        for (int c = 0; c < channels; c++)
            y[s * channels + c] = weight[c] * (x[s * channels + c] - mean) * rstd + bias[c];
    }
}

/* xhat = (x - mean) rstd;  e = weight dy;  dx = rstd (e - mean(e) - xhat mean(e xhat)) */
void reference_layer_norm_backward(int64_t rows, int channels, double epsilon, const double *x,
                                   const double *weight, const double *dy, double *dx,
                                   double *dweight, double *dbias)
{
    for (int64_t s = 0; s < rows; s++) {
        const double *xs = x + s * channels, *dys = dy + s * channels;
        double mean, rstd, mean_e = 0, mean_e_xhat = 0;
        row_statistics(channels, epsilon, xs, &mean, &rstd);
        for (int c = 0; c < channels; c++) {
            double xhat = (xs[c] - mean) * rstd;
            dweight[c] += dys[c] * xhat;
            dbias[c] += dys[c];
            mean_e += weight[c] * dys[c] / channels;
            mean_e_xhat += weight[c] * dys[c] * xhat / channels;
        }
        for (int c = 0; c < channels; c++)
            dx[s * channels + c] = rstd * (weight[c] * dys[c] - mean_e -
                                           (xs[c] - mean) * rstd * mean_e_xhat);
    }
}

void reference_linear(int64_t rows, int in, int out, const double *x, const double *weight,
                      const double *bias, double *y)
{
    for (int64_t s = 0; s < rows; s++)
        for (int o = 0; o < out; o++) {
            double sum = bias[o];
            for (int i = 0; i < in; i++) sum += x[s * in + i] * weight[(int64_t)o * in + i];
            y[s * out + o] = sum;
        }
}

void reference_linear_backward(int64_t rows, int in, int out, const double *x, const double *weight,
                               const double *dy, double *dx, double *dweight, double *dbias)
{
    memset(dx, 0, (size_t)(rows * in) * sizeof *dx);
    for (int64_t s = 0; s < rows; s++)
        for (int o = 0; o < out; o++) {
            double d = dy[s * out + o];
            dbias[o] += d;
            for (int i = 0; i < in; i++) {
                dx[s * in + i] += d * weight[(int64_t)o * in + i];
                dweight[(int64_t)o * in + i] += d * x[s * in + i];
            }
        }
}

void reference_gelu(int64_t count, const double *x, double *y)
{
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * 0.5 * erfc(-x[i] / sqrt(2));
}

/* d/dx x Phi(x) = Phi(x) + x phi(x) */
void reference_gelu_backward(int64_t count, const double *x, const double *dy, double *dx)
{
    for (int64_t i = 0; i < count; i++) {
        double distribution = 0.5 * erfc(-x[i] / sqrt(2));
        double density = exp(-x[i] * x[i] / 2) / sqrt(2 * M_PI);
        dx[i] = dy[i] * (distribution + x[i] * density);
    }
}

static double channel_norm(int64_t rows, int channels, const double *x, int channel)
{
    double squares = 0;
    for (int64_t s = 0; s < rows; s++)
        squares += x[s * channels + channel] * x[s * channels + channel];
    return sqrt(squares);
}

/* mean_c g_c + 1e-6 */
static double norm_divisor(int64_t rows, int channels, const double *x)
{
    double sum = 0;
    for (int c = 0; c < channels; c++) sum += channel_norm(rows, channels, x, c);
    return sum / channels + 1e-6;
}

void reference_grn(int64_t rows, int channels, const double *x, const double *gamma,
                   const double *beta, double *y)
{
    double divisor = norm_divisor(rows, channels, x);
    for (int c = 0; c < channels; c++) {
        double n = channel_norm(rows, channels, x, c) / divisor;
        for (int64_t s = 0; s < rows; s++) {
            double value = x[s * channels + c];
            y[s * channels + c] = gamma[c] * (value * n) + beta[c] + value;
        }
    }
}

/*
 * With n_c = g_c / m, m = mean(g) + 1e-6, C channels:
 *   dn_c = gamma_c sum_s dy_sc x_sc
 *   dg_c = dn_c / m - (sum_j dn_j g_j) / (C m^2)
 *   dx   = dy (1 + gamma n) + dg x / g        (the last term is 0 where g_c = 0)
 */
void reference_grn_backward(int64_t rows, int channels, const double *x, const double *gamma,
                            const double *dy, double *dx, double *dgamma, double *dbeta)
{
    double divisor = norm_divisor(rows, channels, x), dn_g = 0;
    for (int c = 0; c < channels; c++) {
        double g = channel_norm(rows, channels, x, c), dy_x = 0;
        for (int64_t s = 0; s < rows; s++) {
            dy_x += dy[s * channels + c] * x[s * channels + c];
            dbeta[c] += dy[s * channels + c];
        }
        dgamma[c] += dy_x * g / divisor;
        dn_g += gamma[c] * dy_x * g;
    }
    for (int c = 0; c < channels; c++) {
        double g = channel_norm(rows, channels, x, c), dy_x = 0;
        for (int64_t s = 0; s < rows; s++) dy_x += dy[s * channels + c] * x[s * channels + c];
        double dg = gamma[c] * dy_x / divisor - dn_g / (channels * divisor * divisor);
        for (int64_t s = 0; s < rows; s++)
            dx[s * channels + c] = dy[s * channels + c] * (1 + gamma[c] * g / divisor) +
                                   (g > 0 ? dg * x[s * channels + c] / g : 0);
    }
}

void reference_layer_scale(int64_t rows, int channels, const double *x, const double *scale,
                           double *y)
{
    for (int64_t i = 0; i < rows * channels; i++) y[i] = scale[i % channels] * x[i];
}

void reference_layer_scale_backward(int64_t rows, int channels, const double *x,
                                    const double *scale, const double *dy, double *dx,
                                    double *dscale)
{
    for (int64_t i = 0; i < rows * channels; i++) {
        dx[i] = scale[i % channels] * dy[i];
        dscale[i % channels] += dy[i] * x[i];
    }
}

void reference_residual(int64_t count, double keep, const double *x, const double *branch,
                        double *y)
{
    for (int64_t i = 0; i < count; i++) y[i] = x[i] + keep * branch[i];
}

void reference_residual_backward(int64_t count, double keep, const double *dy, double *dx,
                                 double *dbranch)
{
    for (int64_t i = 0; i < count; i++) {
        dx[i] = dy[i];
        dbranch[i] = keep * dy[i];
    }
}

void reference_pool(int64_t rows, int channels, const double *x, double *y)
{
    for (int c = 0; c < channels; c++) {
        y[c] = 0;
        for (int64_t s = 0; s < rows; s++) y[c] += x[s * channels + c] / (double)rows;
    }
}

void reference_pool_backward(int64_t rows, int channels, const double *dy, double *dx)
{
    for (int64_t i = 0; i < rows * channels; i++) dx[i] = dy[i % channels] / (double)rows;
}
